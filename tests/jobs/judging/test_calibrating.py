"""A calibration is taken from a corpus, the same each time, and is what judging and a job's gate take."""

from __future__ import annotations

import json

import pytest

import speechmill
from speechmill.errors import CorpusError, SpecError
from speechmill.jobs.judging.audio_corpus import AudioCorpusOptions
from speechmill.jobs.judging.calibrating import calibrate
from speechmill.jobs.judging.ears import JudgingOptions


def calibrated(uri: str, file, num_clips: int = 150, **how):
    return calibrate(AudioCorpusOptions(uri), str(file), JudgingOptions(**how), num_clips)


@pytest.mark.slow
def test_calibrated_thresholds_find_what_the_usual_ones_do_not(make_rows, write_corpus, tmp_path) -> None:
    rows = make_rows(160)
    uri, file = write_corpus("parquet", rows), tmp_path / "quality.json"
    found = calibrated(uri, file)
    assert (found.num_clips, found.num_left_out) == (150, 0)
    written = json.loads(file.read_text())
    assert written["judges"]["duration"]["voices"].keys() == {"anna"}
    assert written["judges"]["signal"]["thresholds"]["gap_s"] < 1.2
    assert set(written["costs"]) == {"signal", "duration"}
    # The worst of the sample are the planted ones.
    assert {clip.id for clip in found.worst[:10]} <= {row.id for row in rows if row.fault}
    judged = speechmill.judge(uri, str(tmp_path / "judged"), calibration=str(file))
    bad = {json.loads(line)["id"] for line in (tmp_path / "judged" / "again.jsonl").read_text().splitlines()}
    assert bad >= {row.id for row in rows if row.fault}
    assert len(bad) <= sum(bool(row.fault) for row in rows) + 3
    assert judged.scores["duration.longer"].threshold == written["judges"]["duration"]["thresholds"]["longer"]


def test_the_same_sample_gives_the_same_thresholds_and_an_option_stays(made, write_corpus, tmp_path) -> None:
    uri = write_corpus("webdataset", made)
    one, two = (calibrated(uri, tmp_path / name, 30).judges for name in ("one.json", "two.json"))
    assert one == two
    set_by_hand = calibrated(uri, tmp_path / "three.json", 30, options={"signal": {"gap_s": 5.0}})
    assert "gap_s" not in set_by_hand.judges["signal"]["thresholds"]


def test_what_cannot_be_heard_is_left_out_and_too_few_are_refused(made, write_corpus, tmp_path) -> None:
    uri = write_corpus("jsonl", made)
    for row in made[:3]:
        (tmp_path / "corpus" / "wavs" / f"{row.id}.wav").unlink()
    assert calibrated(uri, tmp_path / "c.json", 40).num_left_out == 3
    with pytest.raises(SpecError, match="--calibrate 7: at least 30"):
        calibrated(uri, tmp_path / "c.json", 7)
    with pytest.raises(SpecError, match="--false-rejects"):
        calibrate(AudioCorpusOptions(uri), str(tmp_path / "c.json"), JudgingOptions(), 40, 2.0)
    few = write_corpus("out-files", made[:9])
    with pytest.raises(CorpusError, match="9 clips can be heard"):
        calibrated(few, tmp_path / "c.json", 30)
