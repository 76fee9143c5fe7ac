"""What `submit` says about an output that is there, up to the driver that does it: here, in the test's process."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.cluster.storage import open_storage
from speechmill.errors import SpecError
from speechmill.jobs.cli.submitted import main
from speechmill.jobs.output.reader import read
from speechmill.jobs.run.update import Update
from speechmill.jobs.submission.driver_options import DriverOptions
from speechmill.jobs.submission.package import JOB_FILE, ROWS_FILE, entrypoint, runtime_env
from speechmill.jobs.verify import verify

DRIVER = 3
"""Words of the entrypoint before what the driver reads: exec, python, the launcher."""

options = st.builds(
    DriverOptions, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([None, "ids.txt"])
)


@given(options)
def test_the_driver_reads_what_was_written(wanted: DriverOptions) -> None:
    """Law: all options arrive, those of a file of rows under the name that is sent."""
    assert DriverOptions.parse(wanted.words) == wanted
    job, *words = shlex.split(entrypoint(wanted))[DRIVER:]
    read_back = DriverOptions.parse(words)
    assert (job, read_back.update, read_back.rows) == (JOB_FILE, wanted.update, wanted.rows and ROWS_FILE)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (DriverOptions(overwrite=True, update=True), "--overwrite begins the output anew"),
        (DriverOptions(rows="ids.txt"), "--rows limits --update or --retry-failed"),
        (DriverOptions(update=True, rows="not-there.txt"), "--rows not-there.txt cannot be read"),
    ],
)
def test_what_does_not_fit_together_is_said_before_a_head_is_looked_for(wanted: DriverOptions, message: str) -> None:
    from speechmill import Job

    job = Job(input={"uri": "s3://in/c.csv"}, output={"uri": "s3://out"})
    with pytest.raises(SpecError, match=message):
        job.submit(
            "http://127.0.0.1:1",
            overwrite=wanted.overwrite,
            update=wanted.update,
            rows=wanted.rows,
        )


@pytest.mark.usefixtures("hosted_replicas")
def test_a_submitted_job_updates_an_output_by_the_rows_that_were_sent(
    tmp_path: Path, write_job: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Story: a corpus that had changed could be updated from a terminal of the cluster alone."""
    write_job(6)
    (tmp_path / "ids.txt").write_text('id-2\n{"id": "id-3", "seed": 7}\n', encoding="utf-8")
    corpus, out = tmp_path / "corpus.csv", tmp_path / "out"
    job = {
        "input": {"uri": str(corpus)},
        "output": {"uri": str(out)},
        "model": {"name": "tone"},
        "cluster": {"replicas": 1},
    }
    wanted = DriverOptions(update=True, rows=str(tmp_path / "ids.txt"))
    how = Update.asked(update=wanted.update, retry_failed=wanted.retry_failed, rows=wanted.rows)
    assert how is not None
    with runtime_env(job, with_speechmill=False, rows=how.rows) as sent:
        monkeypatch.chdir(sent["working_dir"])
        assert main([JOB_FILE]) == 0
        lines = corpus.read_text(encoding="utf-8")
        corpus.write_text(lines.replace("id-2,", "id-2,Another text than "), encoding="utf-8")
        assert main([JOB_FILE]) == 2
        assert "--update" in capsys.readouterr().err
        assert main(shlex.split(entrypoint(wanted))[DRIVER:]) == 0
    report = verify(open_storage(str(out)))
    assert (report.is_ok, report.is_complete, report.num_ok) == (True, True, 6)
    clips = {clip.id: clip for clip in read(str(out))}
    assert clips["id-2"].metadata["text"].startswith("Another text")
    assert (clips["id-3"].metadata["seed"], clips["id-1"].metadata["seed"] == 7) == (7, False)
    assert json.loads((out / "job.json").read_text())["commit"]["run"] == 2
