"""A small output, written with the real containers and encoders, for the tests that read one back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from speechmill.actors.audio import encode, pcm16, pcm_sha256, sha256
from speechmill.actors.manifest import PartName, Record, encode_records
from speechmill.actors.segment import Failure
from speechmill.cluster.storage import Storage, open_storage
from speechmill.jobs.containers import container_of

SAMPLE_RATE = 8000
NUM_ROWS = 11
WriteOutput = Callable[..., Storage]


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
    key, member = writer.add(row, told["id"], encoded, {**told, **measured, "metadata": metadata})
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

    def write(container: str, audio: str, storage: Storage | None = None) -> Storage:
        storage = storage or open_storage(str(tmp_path / "out"))
        storage.put("job.json", json.dumps({"spec": {"output": {"container": container, "audio": audio}}}).encode())
        for index, rows in enumerate((range(5), range(5, 10))):
            writer = container_of(container).open_part(storage, f"000000-{index:04d}-9f{index}", audio)
            records = [write_clip(writer, row, audio) for row in reversed(rows) if row != 2]
            writer.close()
            if 2 in rows:
                records.append(Record.of_failure(Failure(2, "id 2", "too long", "Row 2."), "tone", "1"))
            storage.put(PartName.of(0, index, f"ab{index}", records).key, encode_records(records))
        rejected = [Record.of_failure(Failure(10, "id 10", "empty text"), "tone", "1")]
        storage.put(PartName.of(0, None, "cd", rejected).key, encode_records(rejected))
        counts = {"num_rows": NUM_ROWS, "num_ok": 9, "num_failed": 2, "audio_s": 1.0}
        storage.put("complete.json", json.dumps(counts).encode())
        return storage

    return write
