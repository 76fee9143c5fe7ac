"""A complete output of many short clips in several voices, written as a run writes it, without a cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speechmill.actors.audio.encoding import encode, pcm16, pcm_sha256, sha256
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure
from speechmill.cluster.containers import container_of
from speechmill.cluster.storage import Storage
from speechmill.jobs.run.completion import write_companions

from .outputs import begin, commit, complete, job_file, mark_of

RATE = 8_000
VOICES = ("af_heart", "bm_daniel", "a:0.7+b:0.3")
WINDOW_ROWS = 4_096


def row_id(row: int) -> str:
    return f"LJ/{row:03d} é"


def row_text(row: int) -> str:
    """Texts that lists and tables stumble over: quotes, bars, several lines, a comma."""
    return f'Row {row}, "quoted" | barred' + ("\nand a second line." if row % 7 == 0 else ".")


def write_rows(
    storage: Storage, container: str, num_rows: int = 200, num_shards: int = 5, audio: str = "flac"
) -> list[Record]:
    """Write and complete an output; row 3 has failed. The records of the spoken rows, in the order of the corpus."""
    claim = begin(storage, job_file(container, audio, key_prefixes=0))
    records: list[Record] = []
    for window in range(-(-num_rows // WINDOW_ROWS)):
        rows = range(window * WINDOW_ROWS, min(num_rows, (window + 1) * WINDOW_ROWS))
        for index in range(num_shards):
            part = f"{window:06d}-{index:04d}-{claim.stamp}-9f{index}"
            writer = container_of(container).open_part(storage, part, audio)
            spoken = [_spoken(writer, row, audio) for row in rows[index::num_shards] if row != 3]
            writer.close()
            if 3 in rows[index::num_shards]:
                spoken.append(Record.of_failure(Failure(3, row_id(3), "too long", row_text(3)), "tone", "1"))
            commit(storage, claim, window, index, spoken)
            records += spoken
    write_companions(storage, mark_of(records))
    complete(claim, records)
    return sorted((record for record in records if record.status == "ok"), key=lambda record: record.row)


def tone_of(row: int) -> np.ndarray:
    """The clip of a row, float32: its pitch and its length tell which one it is."""
    times = np.arange(600 + 7 * (row % 100)) / RATE
    return (0.5 * np.sin(2 * np.pi * (200 + row % 300) * times)).astype(np.float32)


def _spoken(writer, row: int, audio: str) -> Record:
    pcm = pcm16(tone_of(row))
    encoded = encode(pcm, RATE, audio)
    told = {"id": row_id(row), "text": row_text(row), "voice": VOICES[row % 3], "seed": row, "speed": 1.0}
    measured = {"sample_rate": RATE, "num_samples": len(pcm), "duration_s": len(pcm) / RATE}
    sidecar = {**told, **measured, "metadata": {"chapter": row % 5}}
    key, member = writer.add(row, told["id"], encoded, sidecar)
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
        metadata=sidecar["metadata"],
        normalized_text=f"row number {row}",
        **told,
        **measured,
    )


def texts_of(records: Sequence[Record]) -> dict[str, str]:
    """Texts by id."""
    return {record.id: record.text for record in records}
