"""A small output, written with the real containers and encoders, for the tests that read one back; and the law of
hostile input.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from speechmill.actors.audio.encoding import encode, pcm16, pcm_sha256, sha256
from speechmill.actors.records.record import SIDECAR, Record
from speechmill.actors.records.utterance import Failure
from speechmill.cluster.containers import container_of
from speechmill.cluster.storage import Storage, open_storage
from speechmill.jobs.cli.main import app
from speechmill.jobs.output.claim import Claim

from .outputs import Format2, begin, commit, complete, job_file
from .waiting import HANG_S

SAMPLE_RATE = 8000
NUM_ROWS = 11
WriteOutput = Callable[..., Storage]
Tell = Callable[..., str]
PATIENCE_S = int(HANG_S)
MEMORY_BYTES = 3 << 29


def tone(row: int) -> NDArray[np.float32]:
    """The clip of a row: its pitch and length tell which one it is."""
    times = np.arange(600 + 37 * row) / SAMPLE_RATE
    return (0.5 * np.sin(2 * np.pi * (200 + 20 * row) * times)).astype(np.float32)


def write_clip(writer, row: int, audio: str) -> Record:
    pcm = pcm16(tone(row))
    encoded = encode(pcm, SAMPLE_RATE, audio)
    told = {"id": f"id {row}", "text": f"Row {row}.", "voice": "a", "seed": row, "speed": 1.0}
    measured = {"sample_rate": SAMPLE_RATE, "num_samples": len(pcm), "duration_s": len(pcm) / SAMPLE_RATE}
    metadata = {"speaker": f"s{row}", "text": "the row's own"}
    all_told = {**told, **measured, "metadata": metadata}
    key, member = writer.add(row, told["id"], encoded, {name: all_told[name] for name in SIDECAR})
    return Record(
        row=row,
        status="ok",
        error=None,
        model="tone",
        model_revision="1",
        audio=key,
        member=member,
        audio_format=audio,
        audio_bytes=len(encoded),
        audio_sha256=sha256(encoded),
        pcm_sha256=pcm_sha256(pcm),
        num_segments=1,
        metadata=metadata,
        **told,
        **measured,
    )


@pytest.fixture
def write_output(tmp_path: Path) -> WriteOutput:
    """Write 11 rows: two shards of 5 with clips in reverse order, row 2 failed, and a rejected row."""

    def write(
        container: str, audio: str, storage: Storage | None = None, *, is_complete: bool = True, format: int = 3
    ) -> Storage:
        storage = storage or open_storage(str(tmp_path / "out"))
        job = job_file(container, audio)
        claim = begin(storage, job) if format == 3 else Format2(storage, job)
        stamp = f"-{claim.stamp}" if isinstance(claim, Claim) else ""
        written: list[Record] = []
        for index, rows in enumerate((range(5), range(5, 10))):
            part = f"000000-{index:04d}{stamp}-9f{index}"
            writer = container_of(container).open_part(storage, part, audio)
            records = [write_clip(writer, row, audio) for row in reversed(rows) if row != 2]
            writer.close()
            if 2 in rows:
                records.append(Record.of_failure(Failure(2, "id 2", "too long", "Row 2."), "tone", "1"))
            put(storage, claim, index, records)
            written += records
        rejected = [Record.of_failure(Failure(10, "id 10", "empty text"), "tone", "1")]
        put(storage, claim, None, rejected)
        if is_complete:
            (claim.complete if isinstance(claim, Format2) else partial(complete, claim))([*written, *rejected])
        return storage

    return write


def put(storage: Storage, claim: Claim | Format2, index: int | None, records: list[Record]) -> None:
    """Commit a part."""
    if isinstance(claim, Format2):
        claim.commit(0, index, records)
    else:
        commit(storage, claim, 0, index, records)


@pytest.fixture
def tell(tmp_path: Path) -> Tell:
    """Check the law of hostile input, `tell("plan", "job.yaml", status=2, names=["job.yaml"])`; returns the output.

    The command ends in time, within memory, with that status (or one of several) and without a stack trace. Its output
    is printable, short, contains `names` and not the password `hunter2`. Nothing outside `out` is made or changed.
    """

    def run_one(
        *arguments: str, status: int | tuple[int, ...] = 2, names: tuple[str, ...] = (), lines: int | None = 1
    ) -> str:
        before = _tree(tmp_path)
        with _bounded():
            done = CliRunner().invoke(app, [os.fsencode(argument).decode("utf-8", "replace") for argument in arguments])
        said = done.stdout + done.stderr
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        assert done.exit_code in ({status} if isinstance(status, int) else set(status)), said
        assert "Traceback" not in said
        assert "hunter2" not in said
        assert len(done.stderr) < 4_000
        assert all(line.isprintable() for line in said.split("\n")), said
        if done.exit_code == 2 and lines is not None:
            assert done.stderr.count("\n") == lines, said
        for name in names:
            assert name in said.replace("\n", " ") or name in "".join(said.split("\n")), said
        assert _tree(tmp_path) == before
        return said

    return run_one


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    """All files beside the output, and the names beside its folder."""
    found = dict.fromkeys(os.listdir(folder.parent), (0, 0))  # noqa: PTH208 - names
    for root, folders, files in os.walk(folder):
        if Path(root) == folder:
            folders[:] = [name for name in folders if name != "out"]
        for name in (*folders, *files):
            info = (Path(root) / name).lstat()
            found[f"{root}/{name}"] = info.st_size if name in files else 0, info.st_mode
    return found


@contextmanager
def _bounded() -> Iterator[None]:
    """Limit the time and the memory of the block."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"it hangs: no end after {PATIENCE_S} s")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE_S)
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
