"""Exports hold every clip once, at the rate asked for, under the split asked for; and never harm what was there."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from support.outputs import job_file
from support.rows_output import RATE, VOICES, row_id, tone_of, write_rows
from typer.testing import CliRunner

from speechmill.cluster.storage import S3Options, Storage, open_storage
from speechmill.errors import JobError, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.export.clip import SplitRule
from speechmill.jobs.export.export import EXPORTERS, ExportOptions, export

NUM_ROWS = 40
NUM_CLIPS = NUM_ROWS - 1
HALF = SplitRule(0.3, 7)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = open_storage(str(tmp_path_factory.mktemp("source") / "out"))
    write_rows(storage, "webdataset", NUM_ROWS)
    return storage


@pytest.fixture
def target(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "export"))


def lines(storage: Storage, key: str) -> list[str]:
    data = storage.get(key)
    return (gzip.decompress(data) if key.endswith(".gz") else data).decode().splitlines()


def wavs(storage: Storage) -> dict[str, bytes]:
    return {entry.key: storage.get(entry.key) for entry in storage.list() if entry.key.endswith(".wav")}


def name(row: int) -> str:
    return f"{row:09d}-LJ_{row:03d}_"


@pytest.mark.parametrize("to", sorted(set(EXPORTERS) - {"hf"}))
def test_every_clip_is_there_once_as_it_was_spoken(to: str, source: Storage, target: Storage) -> None:
    result = export(source, target, ExportOptions(to, None, HALF))
    assert (result.num_clips, result.num_train + result.num_validation) == (NUM_CLIPS, NUM_CLIPS)
    assert result.num_validation > 5
    found = wavs(target)
    assert {key.rpartition("/")[2] for key in found} == {f"{name(row)}.wav" for row in range(NUM_ROWS) if row != 3}
    for key, data in found.items():
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
        assert rate == RATE
        assert np.abs(samples / 32767 - tone_of(int(key.rpartition("/")[2][:9]))).max() < 1e-4


def test_ljspeech_is_lines_of_three_fields_in_the_order_of_the_corpus(source: Storage, target: Storage) -> None:
    result = export(source, target, ExportOptions("ljspeech", 16_000, HALF))
    found = [line.split("|") for line in lines(target, "metadata.csv")]
    assert [fields[0] for fields in found] == [name(row) for row in range(NUM_ROWS) if row != 3]
    assert found[0] == [name(0), 'Row 0, "quoted" barred and a second line.', "row number 0"]
    assert len(lines(target, "train.csv")) == result.num_train
    assert sorted(lines(target, "train.csv") + lines(target, "validation.csv")) == lines(target, "metadata.csv")
    assert {soundfile.info(io.BytesIO(data)).samplerate for data in wavs(target).values()} == {16_000}


def test_kaldi_folders_are_sorted_and_agree(source: Storage, target: Storage) -> None:
    export(source, target, ExportOptions("kaldi", None, HALF))
    for split in ("train", "validation"):
        listed = {key: lines(target, f"{split}/{key}") for key in ("wav.scp", "text", "utt2spk", "utt2dur")}
        names = [line.split(" ", 1)[0] for line in listed["text"]]
        assert names == sorted(names, key=str.encode)
        assert all([line.split(" ", 1)[0] for line in found] == names for found in listed.values())
        speakers = {line.split()[0]: line.split()[1:] for line in lines(target, f"{split}/spk2utt")}
        assert list(speakers) == sorted(speakers)
        assert speakers.keys() == {line.split()[1] for line in listed["utt2spk"]}
        assert [one for many in speakers.values() for one in many] == names
        assert all(Path(line.split(" ", 1)[1]).is_file() for line in listed["wav.scp"])
    assert len(speakers) == len(VOICES)


def test_nemo_lines_have_paths_beside_the_manifest_and_lengths(source: Storage, target: Storage) -> None:
    export(source, target, ExportOptions("nemo", None, HALF))
    found = [json.loads(line) for split in ("train", "validation") for line in lines(target, f"{split}_manifest.json")]
    assert len(found) == NUM_CLIPS
    for line in found:
        data = target.get(line["audio_filepath"])
        assert soundfile.info(io.BytesIO(data)).duration == pytest.approx(line["duration"], abs=1e-5)
        assert line["speaker"] in VOICES


def test_audiofolder_has_a_table_in_each_folder(source: Storage, target: Storage) -> None:
    result = export(source, target, ExportOptions("audiofolder", None, HALF))
    found = list(csv.DictReader(io.StringIO(target.get("validation/metadata.csv").decode(), newline="")))
    assert len(found) == result.num_validation
    assert all(target.exists(f"validation/{line['file_name']}") for line in found)
    assert {line["id"] for line in found} < {row_id(row) for row in range(NUM_ROWS)}


def test_hf_tables_hold_the_audio_and_are_cut_by_size(
    source: Storage, target: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechmill.jobs.export.hugging_face.GROUP_BYTES", 8_000)
    monkeypatch.setattr("speechmill.jobs.export.hugging_face.TABLE_BYTES", 20_000)
    export(source, target, ExportOptions("hf", 16_000, HALF))
    tables = [entry.key for entry in target.list("data/")]
    assert len([key for key in tables if key.startswith("data/train-")]) > 2
    rows = [row for key in tables for row in pq.read_table(io.BytesIO(target.get(key))).to_pylist()]
    assert sorted(row["id"] for row in rows) == sorted(row_id(row) for row in range(NUM_ROWS) if row != 3)
    assert {soundfile.info(io.BytesIO(row["audio"]["bytes"])).samplerate for row in rows} == {16_000}
    card = target.get("README.md").decode()
    assert "path: data/train-*.parquet" in card
    assert "path: data/validation-*.parquet" in card


def split_of(source: Storage, folder: Path, rule: SplitRule) -> dict[str, set[str]]:
    target = open_storage(str(folder))
    export(source, target, ExportOptions("nemo", None, rule))
    return {
        split: {line["audio_filepath"] for line in map(json.loads, lines(target, f"{split}_manifest.json"))}
        for split in ("train", "validation")
    }


def test_the_split_is_of_the_seed_alone(source: Storage, tmp_path: Path) -> None:
    one, again = (split_of(source, tmp_path / folder, SplitRule(0.3, 1)) for folder in ("a", "b"))
    other = split_of(source, tmp_path / "c", SplitRule(0.3, 2))
    assert one == again
    assert one != other
    assert not split_of(source, tmp_path / "d", SplitRule(0.0))["validation"]


def test_by_voice_no_voice_is_in_both(source: Storage, tmp_path: Path) -> None:
    target = open_storage(str(tmp_path / "export"))
    export(source, target, ExportOptions("nemo", None, SplitRule(0.5, 1, "voice")))
    voices = [
        {json.loads(line)["speaker"] for line in lines(target, f"{split}_manifest.json")}
        for split in ("train", "validation")
    ]
    assert all(voices)
    assert not voices[0] & voices[1]


def test_a_finished_export_is_left_alone_and_another_one_is_refused(source: Storage, target: Storage) -> None:
    done = export(source, target, ExportOptions("ljspeech"))
    before = [(entry.key, entry.version) for entry in target.list()]
    again = export(source, target, ExportOptions("ljspeech"))
    assert (again.is_new, again.num_clips) == (False, done.num_clips)
    assert [(entry.key, entry.version) for entry in target.list()] == before
    with pytest.raises(JobError, match=r"another export.*--overwrite"):
        export(source, target, ExportOptions("ljspeech", 16_000))
    export(source, target, ExportOptions("nemo"), overwrite=True)
    assert not target.exists("metadata.csv")


def test_an_export_that_broke_off_is_open_and_is_written_anew(
    source: Storage, target: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(EXPORTERS["ljspeech"]):
        def finish(self, index: Any) -> None:
            raise JobError("the store is away")

    with monkeypatch.context() as patched:
        patched.setitem(EXPORTERS, "ljspeech", Breaking)  # pyright: ignore[reportArgumentType]
        with pytest.raises(JobError, match="away"):
            export(source, target, ExportOptions("ljspeech"))
    assert json.loads(target.get("export.json"))["state"] == "open"
    assert not target.exists("metadata.csv")
    assert export(source, target, ExportOptions("ljspeech")).is_new
    assert json.loads(target.get("export.json"))["state"] == "complete"


def test_an_edited_result_is_refused(source: Storage, target: Storage) -> None:
    export(source, target, ExportOptions("nemo"))
    told = json.loads(target.get("export.json"))
    target.put("export.json", json.dumps({**told, "result": {"num_clips": -1}}).encode())
    with pytest.raises(JobError, match=r"result that cannot be read.*--overwrite"):
        export(source, target, ExportOptions("nemo"))
    assert export(source, target, ExportOptions("nemo"), overwrite=True).is_new


def test_a_place_with_something_else_is_refused_and_stays(source: Storage, target: Storage) -> None:
    target.put("thesis.tex", b"x")
    for overwrite in (False, True):
        with pytest.raises(JobError, match=r"thesis\.tex is in the way"):
            export(source, target, ExportOptions("kaldi"), overwrite=overwrite)
    assert target.get("thesis.tex") == b"x"


def test_an_export_into_the_output_is_refused(source: Storage) -> None:
    for place in (source.uri, f"{source.uri}/kaldi", str(Path(source.uri).parent)):
        with pytest.raises(SpecError, match="keep them apart"):
            export(source, open_storage(place), ExportOptions("kaldi"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "kaldy"], 'did you mean "kaldi"?'),
        (["--to", "kaldi", "--sample-rate", "10"], "4000 to 192000"),
        (["--to", "kaldi", "--validation", "1.5"], "share from 0"),
        (["--to", "kaldi", "--split-by", "moon"], "row or voice"),
        (["--to", "kaldi", "-o", "ftp://x/y"], "no store for ftp"),
        (["--to", "kaldi", "-o", "s3://me:hunter2@host/y"], "credentials"),
    ],
)
def test_wrong_options_are_named(source: Storage, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["export", source.uri, *arguments])
    assert done.exit_code == 2
    assert message in done.stderr.replace("\n", " ")
    assert "hunter2" not in done.stderr


def test_refined_text_and_a_place_without_an_output_are_refused(tmp_path: Path) -> None:
    empty = open_storage(str(tmp_path / "none"))
    with pytest.raises(JobError, match="no speechmill output"):
        export(empty, open_storage(str(tmp_path / "x")), ExportOptions("hf"))
    from support.outputs import begin

    texts = open_storage(str(tmp_path / "texts"))
    begin(texts, job_file("jsonl", task="refine"))
    with pytest.raises(JobError, match="refined text, not audio"):
        export(texts, open_storage(str(tmp_path / "x")), ExportOptions("hf"))


def test_the_command_says_what_it_made_and_where(source: Storage, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", source.uri, "--to", "lhotse", "-o", str(tmp_path / "cuts"), "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["num_clips"], told["location"]) == (0, NUM_CLIPS, str(tmp_path / "cuts"))
    cut = json.loads(lines(open_storage(told["location"]), "cuts_train.jsonl.gz")[0])
    assert Path(cut["recording"]["sources"][0]["source"]).is_file()
    done = CliRunner().invoke(app, ["export", source.uri, "--to", "lhotse", "-o", str(tmp_path / "cuts")])
    assert "nothing was written" in done.stdout
    assert len(Counter(entry.key for entry in open_storage(told["location"]).list("wavs/"))) == NUM_CLIPS


@pytest.mark.integration
def test_an_export_goes_from_s3_to_s3(s3_env: Any) -> None:
    options = S3Options(endpoint_url=s3_env.endpoint)
    bucket = s3_env.new_bucket()
    source = open_storage(f"s3://{bucket}/run", options)
    write_rows(source, "parquet", NUM_ROWS)
    target = open_storage(f"s3://{bucket}/run-kaldi", options)
    assert export(source, target, ExportOptions("kaldi", 16_000)).num_clips == NUM_CLIPS
    assert len(list(target.list("wavs/"))) == NUM_CLIPS
    [line] = [line for line in lines(target, "train/wav.scp") if name(5) in line]
    assert line.endswith(f"aws s3 cp s3://{bucket}/run-kaldi/wavs/{name(5)}.wav - |")
