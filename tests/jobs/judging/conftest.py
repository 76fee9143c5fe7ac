"""Speech-like sound, and one corpus of it in every form that can be judged."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from numpy.typing import NDArray
from support.outputs import begin, commit, complete, job_file

from speechmill.actors.audio.encoding import encode, pcm16, pcm_sha256, sha256
from speechmill.actors.records.record import SIDECAR, Record
from speechmill.actors.records.utterance import Failure
from speechmill.cluster.containers import container_of
from speechmill.cluster.storage import Storage, open_storage

RATE = 8000
NOUNS = ("mill", "river", "lantern", "orchard", "bridge", "kettle", "harbour", "window")
FORMS = ("jsonl", "csv", "ljspeech", "filelist", "webdataset", "parquet", "out-files", "out-webdataset", "out-parquet")


@cache
def speech(text: str, seed: int = 0) -> NDArray[np.float32]:
    """Float32 [num_samples]: syllables of noise and tone, as long as it takes to say the text."""
    num_letters = sum(char.isalnum() for char in text)
    pace = 1 + 0.03 * np.sin(seed)  # no speaker is as even as a formula
    times = np.arange(round(pace * (0.5 + 0.068 * num_letters) * RATE)) / RATE
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * (3.5 + 0.01 * (seed % 7)) * times)
    tone = np.sin(2 * np.pi * (140 + seed % 50) * times) + 0.1 * np.random.default_rng(seed).normal(size=len(times))
    made = (0.3 * (0.1 + 0.9 * syllables) * tone).astype(np.float32)
    made.flags.writeable = False
    return made


def damaged(samples: NDArray[np.float32], fault: str) -> NDArray[np.float32]:
    """The samples with a fault that the cheap judges hear without calibration."""
    match fault:
        case "silent":
            return np.zeros_like(samples)
        case "cut":
            return samples[: len(samples) // 4]
        case "pause":
            middle = len(samples) // 2
            return np.concatenate([samples[:middle], np.zeros(2 * RATE, np.float32), samples[middle:]])
        case "clipped":
            return np.clip(8 * samples, -1, 1)
        case _:
            raise ValueError(fault)


FAULTS = ("silent", "cut", "pause", "clipped")


@dataclass(frozen=True)
class Row:
    """A row of the corpus, its clip, and the fault that was planted in it."""

    id: str
    text: str
    samples: NDArray[np.float32]
    fault: str = ""
    voice: str = "anna"
    seed: int = 0


def rows_of(num_rows: int, every: int = 10) -> list[Row]:
    """Rows of which each tenth has a fault, all kinds in turn."""
    made: list[Row] = []
    for at in range(num_rows):
        text = f"The {NOUNS[at % 8]} stands near the {NOUNS[at // 8 % 8]}, number {at} of many that we counted."
        fault = FAULTS[at // every % 4] if at % every == every // 2 else ""
        samples = speech(text, at)
        made.append(Row(f"r{at:03d}", text, damaged(samples, fault) if fault else samples, fault, seed=1000 + at))
    return made


def wav(samples: NDArray[np.float32], audio_format: str = "WAV") -> bytes:
    """A file of 16-bit samples."""
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm16(samples), RATE, format=audio_format, subtype="PCM_16")
    return buffer.getvalue()


def write(folder: Path, form: str, rows: Sequence[Row]) -> str:
    """Write the corpus in a form; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    if form.startswith("out-"):
        return write_ours(open_storage(str(folder / "out")), form.removeprefix("out-"), rows)
    if form == "webdataset":
        for number, some in enumerate((rows[: len(rows) // 2], rows[len(rows) // 2 :])):
            with tarfile.open(folder / f"{number}.tar", "w") as tar:
                for row in some:
                    told = {"id": row.id, "text": row.text, "voice": row.voice, "seed": row.seed}
                    for name, data in (("json", json.dumps(told).encode()), ("flac", wav(row.samples, "FLAC"))):
                        header = tarfile.TarInfo(f"{row.id}.{name}")
                        header.size = len(data)
                        tar.addfile(header, io.BytesIO(data))
        return str(folder / "*.tar")
    if form == "parquet":
        columns = {
            "id": [row.id for row in rows],
            "text": [row.text for row in rows],
            "voice": [row.voice for row in rows],
            "seed": [row.seed for row in rows],
            "audio": [{"bytes": wav(row.samples), "path": f"{row.id}.wav"} for row in rows],
        }
        pq.write_table(pa.table(columns), folder / "table.parquet", row_group_size=100)
        return str(folder / "table.parquet")
    (folder / "wavs").mkdir(exist_ok=True)
    for row in rows:
        (folder / "wavs" / f"{row.id}.wav").write_bytes(wav(row.samples))
    if form == "jsonl":
        path = folder / "manifest.json"  # as NeMo calls them
        lines = [
            {"audio_filepath": f"wavs/{r.id}.wav", "text": r.text, "id": r.id, "voice": r.voice, "seed": r.seed}
            for r in rows
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    elif form == "csv":
        path = folder / "rows.csv"
        with path.open("w", newline="") as file:
            table = csv.writer(file, delimiter=";")
            table.writerow(["id", "sentence", "clip", "voice", "seed"])
            table.writerows([r.id, r.text, f"wavs/{r.id}.wav", r.voice, r.seed] for r in rows)
    elif form == "ljspeech":
        path = folder / "metadata.csv"
        path.write_text("".join(f"{r.id}|{r.text}|{r.text}\n" for r in rows))
    else:
        path = folder / "list.txt"
        path.write_text("".join(f"wavs/{r.id}.wav|{r.voice}|{r.text}\n" for r in rows))
    return str(path)


HOW = {"csv": {"audio": "clip"}, "filelist": {"format": "filelist"}}
"""What has to be said of a form."""


def write_ours(storage: Storage, container: str, rows: Sequence[Row]) -> str:
    """An output of two shards, with a row that failed."""
    claim = begin(storage, job_file(container, "flac"))
    written: list[Record] = []
    half = -(-len(rows) // 2)
    for index, numbers in enumerate((range(half), range(half, len(rows)))):
        writer = container_of(container).open_part(storage, f"000000-{index:04d}-{claim.stamp}-9f{index}", "flac")
        records = [_record(writer, number, rows[number]) for number in numbers]
        writer.close()
        commit(storage, claim, 0, index, records)
        written += records
    failed = [Record.of_failure(Failure(len(rows), "bad", "empty text"), "tone", "1")]
    commit(storage, claim, 0, None, failed)
    complete(claim, [*written, *failed])
    return storage.uri


def _record(writer, number: int, row: Row) -> Record:
    pcm = pcm16(row.samples)
    encoded = encode(pcm, RATE, "flac")
    told = {"id": row.id, "text": row.text, "voice": row.voice, "seed": row.seed, "speed": 1.0}
    measured = {"sample_rate": RATE, "num_samples": len(pcm), "duration_s": len(pcm) / RATE}
    all_told = {**told, **measured, "metadata": {"chapter": 2}}
    key, member = writer.add(number, row.id, encoded, {name: all_told[name] for name in SIDECAR})
    return Record(
        row=number,
        status="ok",
        error=None,
        model="tone",
        model_revision="1",
        audio=key,
        member=member,
        audio_format="flac",
        audio_bytes=len(encoded),
        audio_sha256=sha256(encoded),
        pcm_sha256=pcm_sha256(pcm),
        num_segments=1,
        metadata={"chapter": 2},
        **told,
        **measured,
    )


Write = Callable[..., str]


@pytest.fixture
def made() -> list[Row]:
    """Forty rows, four of them with a fault."""
    return rows_of(40)


@pytest.fixture
def write_corpus(tmp_path: Path) -> Write:
    """Write rows in a form, below this test's folder; the path."""
    return partial(write, tmp_path / "corpus")


@pytest.fixture
def make_rows() -> Callable[..., list[Row]]:
    """Make so many rows."""
    return rows_of


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """Every form of a corpus in turn."""
    return request.param


@pytest.fixture
def told_of() -> Callable[[str], dict[str, str]]:
    """What has to be said of a form, to `judge`."""
    return lambda form: HOW.get(form, {})
