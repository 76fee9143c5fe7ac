"""Recordings in an object store that rows name: each is fetched once on a machine, whatever the rows, and few are held.

The large run of `make soak` has 10,000 rows and 2,000 clips, two replicas, and looks at their memory.
"""

from __future__ import annotations

import csv
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support.faultyproxy import Asked, FaultyProxy
from support.recordings import WORDS, encoded, recording

import speechmill
from speechmill.cluster.storage import S3Options, open_storage
from speechmill.jobs.output.holdings import counted_parts
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.reader import load_part
from speechmill.jobs.run.progress import Snapshot
from speechmill.jobs.verify import corpus_of, verify

RATE = 24_000
WRONG = {"silent": "silent", "long": "too long", "damaged": "cannot be read as audio", "gone": "no such object"}


class CountingProxy(FaultyProxy):
    """Counts how often each clip is asked for."""

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self.fetched: Counter[str] = Counter()
        self._counting = threading.Lock()

    def fault_of(self, asked: Asked) -> Any:
        key = asked.path.partition("?")[0]
        if asked.method == "GET" and "/clips/" in key:
            with self._counting:
                self.fetched[key.rpartition("/")[2]] += 1
        return super().fault_of(asked)


@pytest.fixture
def counting(s3_env: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingProxy]:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "cache"))
    proxy = CountingProxy(s3_env.port)
    yield proxy
    proxy.close()


def write_corpus(server: Any, num_rows: int, num_clips: int, seconds: float) -> str:
    """A corpus in a bucket with its clips beside it; row r names clip r modulo their number, 4 clips are of no use."""
    uri = f"s3://{server.new_bucket()}/some"
    storage = open_storage(uri, S3Options(server.endpoint))
    clips = {f"{n}.wav": encoded(recording(n, seconds=seconds, rate=RATE), RATE) for n in range(num_clips - len(WRONG))}
    clips["silent.wav"] = encoded(np.zeros(RATE), RATE)
    clips["long.wav"] = encoded(recording(1, seconds=31, rate=8_000))
    clips["damaged.wav"] = b"RIFF"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: storage.put(f"clips/{name}", clips[name]), clips))
    names = [*clips, "gone.wav"]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["id", "text", "reference", "reference_text"])
    for row in range(num_rows):
        writer.writerow([f"r{row}", f"Row {row}.", f"clips/{names[row % len(names)]}", WORDS])
    storage.put("corpus.csv", stream.getvalue().encode())
    return f"{uri}/corpus.csv"


def job_of(uri: str, endpoint: str, out: Path, replicas: int) -> speechmill.Job:
    return speechmill.Job(
        input={"uri": uri, "s3": {"endpoint_url": endpoint}},
        model={"name": "tone", "options": {"audio_char_s": 0.002}},
        output={"uri": str(out), "container": "parquet"},
        sharding={"shard_rows": 64, "window_rows": 512},
        failure={"max_failed_rows": 1_000},
        cluster={"replicas": replicas},
    )


def check(job: speechmill.Job, counting: CountingProxy, num_rows: int, num_clips: int) -> None:
    storage = open_storage(job.spec.output.uri)
    output = OutputFile.load(storage)
    found = [record for part in counted_parts(storage, output) for record in load_part(storage, part)]
    assert sorted(record.row for record in found) == list(range(num_rows))
    digests: dict[str, set[str]] = {}
    for record in found:
        assert record.reference is not None
        name = record.reference["clip"].removeprefix("clips/").removesuffix(".wav")
        assert (record.status == "failed") == (name in WRONG)
        if name in WRONG:
            error = record.error or ""
            assert (f"clips/{name}.wav" in error, WRONG[name] in error) == (True, True), error
        else:
            digests.setdefault(name, set()).add(record.reference["digest"])
    assert len(set.union(*digests.values())) == len(digests) == num_clips - len(WRONG)
    fetched = {name: count for name, count in counting.fetched.items() if name.partition(".")[0] not in WRONG}
    assert fetched == {f"{number}.wav": 1 for number in range(num_clips - len(WRONG))}
    report = verify(storage, corpus=corpus_of(output))
    assert (report.problems, report.is_complete) == ((), True)


def test_each_clip_is_fetched_once(counting: CountingProxy, tmp_path: Path, s3_env: Any, request: Any) -> None:
    request.getfixturevalue("speaking_here")
    uri = write_corpus(s3_env, 200, 40, 0.2)
    job = job_of(uri, counting.endpoint, tmp_path / "out", 1)
    result = job.run()
    assert (result.num_ok, result.num_failed) == (180, 20)
    check(job, counting, 200, 40)


@pytest.mark.soak
def test_ten_thousand_rows_stream_through_in_flat_memory(counting: CountingProxy, tmp_path: Path, s3_env: Any) -> None:
    """Clips of 385 MB as samples, of which a replica holds 64 MiB at most; two replicas share what is fetched."""
    uri = write_corpus(s3_env, 10_000, 2_000, 2.0)
    job = job_of(uri, counting.endpoint, tmp_path / "out", 2)
    seen: dict[int, list[tuple[int, int]]] = {}  # rows that were done, and bytes, by process
    num_done, is_over = 0, threading.Event()

    def observe(snapshot: Snapshot) -> None:
        nonlocal num_done
        num_done = snapshot.rows_done

    def look() -> None:
        here = psutil.Process()
        while not is_over.wait(0.5):
            for process in (here, *here.children(recursive=True)):
                try:
                    if "weed" not in process.name():
                        seen.setdefault(process.pid, []).append((num_done, process.memory_info().rss))
                except psutil.Error:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        result = job.run(observe=observe)
    finally:
        is_over.set()
        thread.join()
    assert (result.num_ok, result.num_failed) == (9_980, 20)
    check(job, counting, 10_000, 2_000)
    # From a quarter of the rows on: by then each replica has begun, and holds as many clips as it may.
    later = {pid: [rss for done, rss in told if done >= 2_500] for pid, told in seen.items()}
    grown = {pid: (max(sizes) - sizes[0]) >> 20 for pid, sizes in later.items() if len(sizes) > 8}
    most = max(rss for told in seen.values() for _, rss in told)
    print(json.dumps({"grown_mib_after_a_quarter": grown, "most_mib": most >> 20}))
    assert len(grown) >= 3, "the driver and two replicas"
    assert max(grown.values()) < 100
