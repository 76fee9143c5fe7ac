"""What is sent: it means the same in the cluster, it is all that is needed, and it comes back as it was."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import speechmill
from speechmill import errors
from speechmill.actors.batcher.stats import BatchStats
from speechmill.errors import JobError, OutputDamaged, RunStopped, SpecError, SpeechmillError
from speechmill.jobs.run.result import Result
from speechmill.jobs.spec.job import JobSpec
from speechmill.jobs.submission.launcher import main
from speechmill.jobs.submission.outcome import Outcome, encode, is_for_programs
from speechmill.jobs.submission.package import JOB_FILE, LAUNCHER, runtime_env, source_files
from speechmill.jobs.submission.record import labels_of
from speechmill.jobs.submission.request import id_of, request_of

ROOT = Path(speechmill.__file__).parent
RESULT = Result("out", "speak", 3, 2, 1, 9.5, 3, 9.5, 1.0, BatchStats(num_batches=2, num_rows=3), 1, 0, False)
lines = st.text(st.characters(codec="utf-8"))


def spec(**sections: Any) -> JobSpec:
    return JobSpec.parse({"input": {"uri": "s3://in/*.csv"}, "output": {"uri": "s3://out"}, **sections})


def _is_ours(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, SpeechmillError)


def here() -> bool:
    return True


def elsewhere() -> bool:
    return False


def test_only_what_the_user_wrote_is_sent_and_the_driver_joins_its_own_cluster() -> None:
    """A default that is sent would become a demand: a column that a job names has to be there."""
    sent = request_of(spec(seed=7, cluster={"address": "ray://head:10001", "replicas": 3}), elsewhere)
    assert sent.job == {
        "seed": 7,
        "input": {"uri": "s3://in/*.csv"},
        "output": {"uri": "s3://out"},
        "cluster": {"address": "auto", "replicas": 3},
    }
    assert sent.notes == ()


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(), lines)
def test_options_arrive_as_they_were(number: float, whole: int, text: str) -> None:
    """Read as YAML, 1e-05 would be a text."""
    options = {"a": number, "b": whole, "c": [text, None, True]}
    sent = json.loads(json.dumps(request_of(spec(model={"name": "tone", "options": options}), elsewhere).job))
    assert JobSpec.parse(sent).model.options == options


@pytest.mark.parametrize("path", ["corpus.csv", "a/*.csv", "~/c.csv", "/data/c.csv"])
def test_local_paths_are_whole_where_the_cluster_is_this_machine(path: str) -> None:
    sent = request_of(spec(input={"uri": [path]}, output={"uri": "file:///data/out"}, model={"path": "w"}), here)
    assert sent.job["input"]["uri"] == [os.path.abspath(os.path.expanduser(path))]  # noqa: PTH100, PTH111
    assert sent.job["output"]["uri"] == "file:///data/out"
    assert sent.job["model"]["path"] == str(Path.cwd() / "w")
    assert sent.notes == ()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"input": {"uri": "corpus.csv"}}, "input.uri corpus.csv is relative to this folder"),
        ({"input": {"uri": ["s3://b/c.csv", "~/c.csv"]}}, "input.uri ~/c.csv is relative"),
        ({"output": {"uri": "out"}}, "output.uri out is relative"),
        ({"model": {"path": "weights"}}, "model.path weights is relative"),
        ({"output": {"uri": "s3://o", "s3": {"endpoint_url": "http://localhost:9000"}}}, "is this machine"),
        ({"input": {"uri": "http://127.0.0.1:8000/c.csv"}}, "input.uri http://127.0.0.1:8000/c.csv is this machine"),
        ({"input": {"uri": "s3://i", "s3": {"endpoint_url": "http://k:s@store"}}}, "must not hold credentials"),
        ({"input": {"uri": "s3://k:s@b/c.csv"}}, "must not hold credentials"),
        ({"model": {"name": "hibary"}}, 'did you mean "hibari"'),
        ({"model": {"options": {"a": {1, 2}}}}, "model.options"),
    ],
)
def test_what_means_something_else_in_the_cluster_is_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message.replace("(", r"\(")):
        request_of(spec(**sections), elsewhere)


def test_a_whole_path_may_be_shared_and_that_is_noted() -> None:
    sent = request_of(spec(output={"uri": "/mnt/shared/out"}), elsewhere)
    assert sent.notes == ("output.uri /mnt/shared/out: has to be the same folder on all nodes",)


@given(st.text())
def test_every_name_makes_an_id(name: str) -> None:
    made = id_of(name, None, "0a1b2c")
    assert made.endswith("-0a1b2c")
    assert id_of(name, made, "") == made


@pytest.mark.parametrize("wanted", ["", "a b", "../x", "ü", "-x", "x" * 101, "x\n"])
def test_an_id_that_no_url_holds_is_refused(wanted: str) -> None:
    with pytest.raises(SpecError, match="--id"):
        id_of("name", wanted, "")


def test_labels_are_the_same_for_the_same_job_only() -> None:
    one, two = spec(), spec(seed=1)
    labels = labels_of(one, request_of(one, here).job, "1")
    assert labels == labels_of(one, request_of(one, here).job, "1")
    assert labels != labels_of(two, request_of(two, here).job, "1")
    assert all(isinstance(value, str) for value in labels.values()), "Ray takes no other"


def test_what_is_sent_is_the_package_and_nothing_else_that_lies_here() -> None:
    """test_submit.py compares it with a wheel."""
    sent = source_files()
    assert {str(path) for path in sent if len(path.parts) == 1} == {"__init__.py", "errors.py", "py.typed"}
    layers = [path for name in ("actors", "cluster", "jobs") for path in (ROOT / name).rglob("*")]
    files = {path.relative_to(ROOT) for path in layers if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in sent if len(path.parts) > 1} == files


@pytest.mark.integration
def test_what_is_sent_is_enough_to_import_and_could_be_sent_on(tmp_path: Path) -> None:
    """The same holds for an installed wheel: it is files and metadata, too."""
    with runtime_env({"a": 1}, with_speechmill=True) as env:
        assert sorted(path.name for path in Path(env["working_dir"]).iterdir()) == [JOB_FILE, LAUNCHER]
        code = (
            "import importlib.metadata as m, speechmill.jobs.cli.submitted\n"
            "import speechmill.jobs.submission.package as p\n"
            "print(m.distribution('speechmill').locate_file('')); print(p._ROOT); print(*p.source_files(), sep='\\n')"
        )
        path = os.pathsep.join(str(Path(module).parent) for module in env["py_modules"])
        environment = {**os.environ, "PYTHONPATH": path}
        shown = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert shown[:2] == [path.split(os.pathsep)[0], env["py_modules"][0]]
        assert shown[2:] == [str(file) for file in source_files()]
        assert set(env["env_vars"]) == {"RAY_JOB_STOP_WAIT_TIME_S"}
    assert not Path(env["working_dir"]).exists()


def test_installed_sends_the_job_alone() -> None:
    with runtime_env({"a": 1}, with_speechmill=False) as env:
        assert "py_modules" not in env
        assert json.loads((Path(env["working_dir"]) / JOB_FILE).read_text()) == {"a": 1}


def test_the_launcher_imports_nothing_but_the_standard_library() -> None:
    """It has to say what is missing, so nothing may be missing to it."""
    tree = ast.parse((ROOT / "jobs/submission/launcher.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


def test_a_head_without_what_is_needed_says_so(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "speechmill.jobs.cli.submitted", None)
    assert main([JOB_FILE]) == 2
    said = capsys.readouterr().err
    assert "on the head cannot import speechmill" in said
    told = Outcome.of("FAILED", 2, "", said)
    assert isinstance(told.error, JobError)
    assert "on the head cannot import speechmill" in str(told.error)


@given(lines, lines)
def test_a_result_is_found_in_any_log(before: str, after: str) -> None:
    log = f"{before}\n{encode(RESULT)}\n{after}"
    assert Outcome.of("FAILED", 1, "", log) == Outcome(1, RESULT, None, is_told=True)
    allowed = replace(RESULT, is_allowed=True)
    assert Outcome.of("SUCCEEDED", 0, "", f"{log}\n{encode(allowed)}").exit_code == 0


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if _is_ours(kind)])
def test_every_error_comes_back_as_it_was(kind: type[SpeechmillError]) -> None:
    line = encode(kind("what, where,\nand what to do"))
    assert is_for_programs(line)
    told = Outcome.of("FAILED", 2, "", f"error: what\n{line}\n")
    assert type(told.error) is kind
    assert str(told.error) == "what, where,\nand what to do"
    assert told.exit_code == (3 if issubclass(kind, RunStopped) else 1 if kind is OutputDamaged else 2)


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "message"),
    [
        ("STOPPED", None, 130, "was stopped"),
        ("FAILED", 130, 130, "was stopped"),
        ("FAILED", -9, 3, "by signal 9"),
        ("FAILED", 137, 3, "with exit status 137"),
        ("FAILED", 1, 3, "with exit status 1"),  # of Python itself: failed rows would have been told
        ("FAILED", 127, 2, "the head finds no `python`"),
        ("FAILED", None, 3, "Ray gave the job up (FAILED): runtime_env setup failed"),
    ],
)
def test_a_driver_that_said_nothing(status: str, code: int | None, exit_code: int, message: str) -> None:
    told = Outcome.of(status, code, "runtime_env setup failed", "whatever\n")
    assert (told.exit_code, told.result, told.is_told) == (exit_code, None, False)
    assert message in str(told.error)
