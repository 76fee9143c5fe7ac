"""Every form of a corpus gives the same clips, and what cannot be read is named."""

from __future__ import annotations

import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from speechmill.actors.audio.encoding import PCM_SCALE, pcm16
from speechmill.errors import CorpusError, JobError, SpecError
from speechmill.jobs.judging.audio_corpus import AudioCorpusOptions, FoundClip
from speechmill.jobs.judging.open_corpus import open_corpus


def clips_of(uri: str, **how: str) -> list[FoundClip]:
    # A part may be heard in another process.
    return [clip for part in open_corpus(AudioCorpusOptions(uri, **how)).parts() for clip in _sent(part).clips()]


def _sent(part):
    return pickle.loads(pickle.dumps(part))


def test_every_form_gives_the_same_clips(form, made, write_corpus, told_of) -> None:
    found = {clip.utterance.text: clip for clip in clips_of(write_corpus(form, made), **told_of(form))}
    assert len(found) == len(made)
    for row in made:
        clip = found[row.text]
        sound = clip.load()
        assert (clip.fault, sound.sample_rate) == ("", 8000)
        np.testing.assert_array_equal(sound.samples, pcm16(row.samples) / np.float32(PCM_SCALE))
        if form not in ("ljspeech",):
            assert clip.utterance.voice == row.voice
        if form not in ("ljspeech", "filelist"):
            assert clip.utterance.seed == row.seed
        if form != "filelist":
            assert clip.utterance.id == row.id


def test_parts_are_the_same_each_time_and_others_where_a_clip_was_replaced(form, made, write_corpus, told_of) -> None:
    uri = write_corpus(form, made)
    options = AudioCorpusOptions(uri, **told_of(form))
    first = [(part.name, part.digest) for part in open_corpus(options).parts()]
    assert first == [(part.name, part.digest) for part in open_corpus(options).parts()]
    assert len({digest for _, digest in first}) == len(first)
    if form in ("jsonl", "csv", "ljspeech", "filelist"):
        clip = next((Path(uri).parent / "wavs").glob("*.wav"))
        clip.write_bytes(clip.read_bytes()[:-2])
        assert first != [(part.name, part.digest) for part in open_corpus(options).parts()]


def test_a_folder_is_what_lies_in_it(tmp_path, made, write_corpus) -> None:
    write_corpus("ljspeech", made)
    assert open_corpus(AudioCorpusOptions(str(tmp_path / "corpus"))).kind == "table"
    with pytest.raises(CorpusError, match=r"none of metadata\.csv"):
        open_corpus(AudioCorpusOptions(str(tmp_path)))


def test_a_table_of_texts_and_clips_says_what_it_says(tmp_path, made, write_corpus) -> None:
    uri = write_corpus("csv", made)
    with pytest.raises(SpecError, match=r"rows\.csv has the columns .*'clip'.*: name the one with the audio, --audio"):
        clips_of(uri)
    with pytest.raises(SpecError, match=r"no column 'clp' \(--audio\): did you mean \"clip\""):
        clips_of(uri, audio="clp")
    with pytest.raises(SpecError, match="none of the first 20 clips is there"):
        clips_of(uri, audio="sentence")
    assert len(clips_of(uri, audio="wavs/{id}.wav")) == len(made)
    with pytest.raises(SpecError, match="--format"):
        clips_of(uri, format="cvs")


def test_a_normalized_text_is_what_is_heard_for(tmp_path, made, write_corpus) -> None:
    uri = write_corpus("ljspeech", made)
    path = Path(uri)
    path.write_text(path.read_text().replace("number 3 of many that we counted.\n", "number three.\n"))
    clip = clips_of(uri)[3]
    assert clip.heard_text.endswith("number three.")
    assert "number 3 of many" in clip.utterance.text


def test_a_row_that_makes_no_sense_is_named_and_the_others_stay(tmp_path, made, write_corpus) -> None:
    uri = write_corpus("jsonl", made)
    path = Path(uri)
    lines = path.read_text().splitlines()
    lines[1] = "{broken"
    lines[2] = json.dumps({"text": "No clip."})
    lines[3] = json.dumps({"audio_filepath": "wavs/r003.wav", "text": " "})
    path.write_text("\n".join(lines))
    found = clips_of(uri)
    assert len(found) == len(made)
    assert "manifest.json line 2: no JSON" in found[1].fault
    assert "manifest.json line 3: the audio (column 'audio_filepath') is empty" in found[2].fault
    assert "manifest.json line 4: the text (column 'text') is empty" in found[3].fault


def test_a_clip_may_be_a_piece_of_a_longer_file(tmp_path, made, write_corpus) -> None:
    uri = write_corpus("jsonl", made[:1])
    line = json.loads(Path(uri).read_text())
    Path(uri).write_text(json.dumps({**line, "offset": 0.5, "duration": 1.0}))
    whole = pcm16(made[0].samples) / np.float32(PCM_SCALE)
    np.testing.assert_array_equal(clips_of(uri)[0].load().samples, whole[4000:12000])
    Path(uri).write_text(json.dumps({**line, "offset": 99.0, "duration": 1.0}))
    with pytest.raises(JobError, match="ends before 99 s"):
        clips_of(uri)[0].load()


def test_a_missing_clip_and_bytes_that_are_no_audio_say_so_when_they_are_heard(made, write_corpus) -> None:
    uri = write_corpus("jsonl", made)
    folder = Path(uri).parent / "wavs"
    (folder / "r001.wav").unlink()
    (folder / "r002.wav").write_bytes(b"no audio")
    found = clips_of(uri)
    with pytest.raises(JobError, match=r"r001\.wav: there is no such file"):
        found[1].load()
    with pytest.raises(Exception, match="8 bytes that do not decode as audio"):
        found[2].load()


def test_a_sample_without_text_or_audio_is_named_by_its_key(made, write_corpus) -> None:
    uri = write_corpus("webdataset", made[:4])
    path = Path(uri.replace("*", "0"))
    with tarfile.open(path, "a") as tar:
        for name in ("alone.flac", "lost.json"):
            header = tarfile.TarInfo(name)
            tar.addfile(header)
    faults = [clip.fault for clip in clips_of(str(path)) if clip.fault]
    assert "sample 'alone', number 3: the row has no 'text'" in faults[0]
    assert "sample 'lost', number 4: no audio beside it" in faults[1]
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(CorpusError, match=r"0\.tar is no tar, or is damaged or cut short"):
        clips_of(str(path))


def test_rows_of_parquet_keep_their_numbers_over_row_groups(tmp_path, make_rows, write_corpus) -> None:
    rows = make_rows(12)
    uri = write_corpus("parquet", rows)
    pq.write_table(pq.read_table(uri), uri, row_group_size=5)
    assert [(clip.utterance.row, clip.utterance.id) for clip in clips_of(uri)] == [
        (at, row.id) for at, row in enumerate(rows)
    ]
    table = pa.table({"text": ["One."], "audio": [b""]})
    pq.write_table(table, tmp_path / "one.parquet")
    with pytest.raises(Exception, match="0 bytes that do not decode"):
        clips_of(str(tmp_path / "one.parquet"))[0].load()


def test_what_an_output_lost_is_said_of_each_clip(made, write_corpus) -> None:
    uri = write_corpus("out-files", made)
    clip = next(Path(uri, "audio").rglob("*.flac"))
    clip.write_bytes(clip.read_bytes() + b"x")
    told: list[str] = []
    for found in clips_of(uri):
        try:
            found.load()
        except JobError as error:
            told.append(str(error))
    assert told == ["its bytes are not those that the manifest promises"]
    assert open_corpus(AudioCorpusOptions(uri)).num_failed == 1
