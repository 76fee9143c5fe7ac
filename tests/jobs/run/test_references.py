"""Jobs whose rows name recordings: what each row sounds like, what fails, what an update speaks again."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.in_process import Killed, SpeakingHere
from support.recordings import WORDS, encoded, recording, write_recording

import speechmill
from speechmill.actors.audio.encoding import pcm16, pcm_sha256
from speechmill.actors.audio.reference_clip import decode_reference
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import load
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Segment
from speechmill.cluster.storage import open_storage
from speechmill.errors import SpecError
from speechmill.jobs.output.holdings import counted_parts
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.reader import load_part
from speechmill.jobs.verify import corpus_of, verify


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "cache"))


def write(folder: Path, rows: list[tuple[str, str, str]]) -> None:
    """Rows of id, recording and its words."""
    with (folder / "corpus.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "reference", "reference_text"])
        writer.writerows((name, f"The row {name}.", clip, words) for name, clip, words in rows)


def job_of(folder: Path, out: str = "out", **sections: Any) -> speechmill.Job:
    return speechmill.Job(
        input={"uri": str(folder / "corpus.csv"), **sections.pop("input", {})},
        model={"name": "tone", "options": {"audio_char_s": 0.002}} | sections.pop("model", {}),
        output={"uri": str(folder / out), "container": "webdataset", "audio": "wav"},
        sharding=sections.pop("sharding", {"shard_rows": 4, "window_rows": 12}),
        failure={"max_failed_rows": 100},
        **sections,
    )


def records(job: speechmill.Job) -> dict[str, Record]:
    storage = open_storage(job.spec.output.uri)
    output = OutputFile.load(storage)
    return {record.id: record for part in counted_parts(storage, output) for record in load_part(storage, part)}


def check_sound(job: speechmill.Job) -> None:
    storage = open_storage(job.spec.output.uri)
    report = verify(storage, corpus=corpus_of(OutputFile.load(storage)))
    assert (report.problems, report.is_complete, report.num_orphans) == ((), True, 0)


def test_rows_fail_with_what_is_wrong_with_their_clip(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    write_recording(tmp_path / "clips/a.wav", 1)
    write_recording(tmp_path / "clips/b.wav", 2)
    (tmp_path / "silent.flac").write_bytes(encoded(np.zeros(8_000), form="FLAC"))
    (tmp_path / "long.wav").write_bytes(encoded(recording(1, seconds=31)))
    (tmp_path / "text.wav").write_text("not a clip")
    rows = [(f"ok-{n}", f"clips/{'ab'[n % 2]}.wav", WORDS) for n in range(8)]
    wrong = {
        "gone": ("gone.wav", "there is no such file"),
        "silent": ("silent.flac", "the clip is silent"),
        "long": ("long.wav", "too long: 31.00 s"),
        "text": ("text.wav", "cannot be read as audio"),
        "folder": ("clips", "there is no such file"),
    }
    write(tmp_path, [*rows, *((name, clip, WORDS) for name, (clip, _) in wrong.items()), ("mute", "clips/a.wav", "")])
    job = job_of(tmp_path)
    result = job.run()
    assert (result.num_ok, result.num_failed) == (8, 6)
    found = records(job)
    for name, (clip, why) in wrong.items():
        error = found[name].error or ""
        assert (clip in error, why in error) == (True, True), error
        assert found[name].reference == {"clip": clip, "text": WORDS}
    assert "no transcript" in (found["mute"].error or "")
    digests = {found[name].reference["digest"] for name, _, _ in rows}  # pyright: ignore[reportOptionalSubscript]
    assert len(digests) == 2
    check_sound(job)


def test_the_sound_of_a_row_is_its_own_whatever_was_killed(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    for number in range(5):
        write_recording(tmp_path / f"{number}.wav", number)
    rows = [(f"r{n}", f"{n % 5}.wav" if n % 6 else "", WORDS if n % 6 else "") for n in range(30)]
    write(tmp_path, rows)
    whole, killed = job_of(tmp_path), job_of(tmp_path, "killed")
    whole.run()
    speaking_here.shards_left = 3
    with pytest.raises(Killed):
        killed.run()
    speaking_here.shards_left = None
    killed.run()
    sounds = {name: record.pcm_sha256 for name, record in records(whole).items()}
    assert {name: record.pcm_sha256 for name, record in records(killed).items()} == sounds
    check_sound(killed)

    alone = tmp_path / "alone"
    write(_made(alone), [("r7", str(tmp_path / "2.wav"), WORDS)])
    one = job_of(alone)
    one.run()
    assert records(one)["r7"].pcm_sha256 == sounds["r7"], "the same clip by another path"
    assert len(set(sounds.values())) == 30


def test_an_update_speaks_rows_again_whose_clip_or_words_have_changed(
    tmp_path: Path, speaking_here: SpeakingHere
) -> None:
    for number in range(4):
        write_recording(tmp_path / f"{number}.wav", number)
    rows = [(f"r{n}", f"{n % 4}.wav", WORDS) for n in range(20)]
    rows += [("later", "later.wav", WORDS), ("never", "never.wav", WORDS), ("plain", "", "")]
    write(tmp_path, rows)
    job = job_of(tmp_path)
    assert job.run().num_failed == 2
    speaking_here.taken()

    write_recording(tmp_path / "1.wav", 71)
    write_recording(tmp_path / "later.wav", 72)
    rows[2] = ("r2", "2.wav", "Other words.")
    write(tmp_path, rows)
    result = job.run(update=True)
    assert speaking_here.taken() == {"r1", "r5", "r9", "r13", "r17", "r2", "later"}
    assert (result.num_ok, result.num_failed) == (22, 1)
    check_sound(job)
    assert job.run(update=True).new_rows == 0

    scratch = job_of(tmp_path, "scratch")
    scratch.run()
    heard = {name: (record.pcm_sha256, record.reference) for name, record in records(scratch).items()}
    assert {name: (record.pcm_sha256, record.reference) for name, record in records(job).items()} == heard


def test_a_row_that_is_rejected_is_spoken_again_with_its_recording(tmp_path: Path, speaking_here: SpeakingHere) -> None:
    """Rejected segments are spoken by whichever call comes next, which has other rows and other clips."""
    for number in range(5):
        write_recording(tmp_path / f"{number}.wav", number)
    write(tmp_path, [(f"r{n}", f"{n % 5}.wav", WORDS) for n in range(24)])
    found: list[dict[str, Any]] = []
    for out, size in (("small", 3), ("large", 24)):
        job = job_of(
            tmp_path,
            out,
            model={"name": "tone", "options": {"audio_char_s": 0.002, "bad_share": 0.3}},
            quality={
                "judges": ["support.judges:ToneCheck"],
                "options": {"support.judges:ToneCheck": {"char_s": 0.002}},
                "attempts": 6,
                "max_mean_attempts": 9,
            },
            sharding={"shard_rows": size, "window_rows": 24},
        )
        assert job.run().num_ok == 24
        found.append({name: (record.pcm_sha256, record.attempt) for name, record in records(job).items()})
    assert found[0] == found[1]
    assert sum(bool(attempt) for _, attempt in found[0].values()) > 3
    model = load(ModelConfig("tone", options={"audio_char_s": 0.002}))
    for name, record in records(job).items():  # pyright: ignore[reportPossiblyUnboundVariable]
        clip = decode_reference((tmp_path / f"{int(name[1:]) % 5}.wav").read_bytes(), WORDS, (0.1, 30))
        assert record.seed is not None
        attempt, prepared = record.attempt or 0, model.prepare(record.text, "")
        segment = Segment(0, 0, record.text, prepared, record.seed, "", 1.0, attempt=attempt, reference=clip)
        assert pcm_sha256(pcm16(model.speak([segment])[0])) == record.pcm_sha256


def test_a_voice_of_the_job_is_the_same_clip_as_a_row_that_names_it(
    tmp_path: Path, speaking_here: SpeakingHere
) -> None:
    write_recording(tmp_path / "a.wav", 1)
    write(tmp_path, [("a", "a.wav", WORDS)])
    by_row = job_of(tmp_path)
    by_row.run()
    voices = {"anna": {"clip": str(tmp_path / "a.wav"), "text": WORDS}}
    by_name = _made(tmp_path / "named")
    (by_name / "corpus.csv").write_text("id,text,voice\na,The row a.,anna\n", encoding="utf-8")
    named = job_of(by_name, model={"name": "tone", "options": {"audio_char_s": 0.002, "voices": voices}})
    named.run()
    assert records(named)["a"].pcm_sha256 == records(by_row)["a"].pcm_sha256
    plain = _made(tmp_path / "plain")
    (plain / "corpus.csv").write_text("id,text\na,The row a.\n", encoding="utf-8")
    without = job_of(plain)
    without.run()
    assert records(without)["a"].pcm_sha256 != records(by_row)["a"].pcm_sha256


def test_a_model_that_clones_no_voice_refuses_the_columns_that_a_job_names(tmp_path: Path) -> None:
    write(tmp_path, [("a", "a.wav", WORDS)])
    with pytest.raises(SpecError, match=r"input.reference: hibari speaks with no voices of recordings"):
        job_of(tmp_path, input={"reference": "reference"}, model={"name": "hibari", "options": {}}).plan()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
