"""Exports are opened by the toolkits that they are for."""

from __future__ import annotations

import gc
import importlib.util
import io
from pathlib import Path

import pytest
import soundfile
from support.rows_output import VOICES, write_rows

from speechmill.cluster.storage import open_storage
from speechmill.jobs.export.clip import SplitRule
from speechmill.jobs.export.export import ExportOptions, export

NUM_ROWS = 60
RATE = 16_000

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def exported(tmp_path: Path, to: str) -> tuple[Path, int, int]:
    """An export at another rate: its folder, and how many clips each split has."""
    source = open_storage(str(tmp_path / "out"))
    write_rows(source, "files", NUM_ROWS)
    result = export(source, open_storage(str(tmp_path / to)), ExportOptions(to, RATE, SplitRule(0.3, 7)))
    return tmp_path / to, result.num_train, result.num_validation


def test_lhotse_loads_cuts_with_audio_and_text(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    folder, num_train, num_validation = exported(tmp_path, "lhotse")
    cuts = {split: lhotse.CutSet.from_file(folder / f"cuts_{split}.jsonl.gz") for split in ("train", "validation")}
    assert {split: len(list(found)) for split, found in cuts.items()} == {
        "train": num_train,
        "validation": num_validation,
    }
    cut = next(iter(cuts["train"]))
    assert cut.load_audio().shape == (1, cut.num_samples)
    assert cut.sampling_rate == RATE
    assert cut.supervisions[0].speaker in VOICES
    recordings = lhotse.RecordingSet.from_file(folder / "recordings.jsonl.gz")
    supervisions = lhotse.SupervisionSet.from_file(folder / "supervisions.jsonl.gz")
    assert len(lhotse.CutSet.from_manifests(recordings, supervisions)) == NUM_ROWS - 1


def test_lhotse_loads_the_folders_of_kaldi(tmp_path: Path) -> None:
    kaldi = pytest.importorskip("lhotse.kaldi")
    folder, num_train, _ = exported(tmp_path, "kaldi")
    recordings, supervisions, _ = kaldi.load_kaldi_data_dir(folder / "train", RATE)
    assert (len(recordings), len(supervisions)) == (num_train, num_train)


@pytest.mark.parametrize("to", ["hf", "audiofolder"])
@pytest.mark.filterwarnings("ignore")  # datasets leaves files open
def test_datasets_loads_both_splits(to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("datasets", *(["torchcodec"] if to == "audiofolder" else [])):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import datasets

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    folder, num_train, num_validation = exported(tmp_path, to)
    found = datasets.load_dataset(str(folder))
    assert {split: len(rows) for split, rows in found.items()} == {"train": num_train, "validation": num_validation}
    clip = found["train"].cast_column("audio", datasets.Audio(decode=False))[0]["audio"]
    info = soundfile.info(io.BytesIO(clip["bytes"]) if clip["bytes"] else clip["path"])
    assert info.samplerate == RATE
    del found, clip
    gc.collect()  # here, where its open files are no errors


def test_pandas_reads_ljspeech(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    folder, num_train, num_validation = exported(tmp_path, "ljspeech")
    rows = pandas.read_csv(folder / "metadata.csv", sep="|", header=None, quoting=3)
    assert rows.shape == (num_train + num_validation, 3)
    assert all((folder / "wavs" / f"{name}.wav").is_file() for name in rows[0])
