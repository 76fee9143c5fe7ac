"""Two thousand clips made elsewhere, sixty of them planted with faults: judged, killed, continued, spoken again."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from support.made_sentences import sentences
from support.planted_faults import FAULTS, planted
from support.waiting import HANG_S, eventually

import speechmill
from speechmill.actors.judges.base import Hearing

NUM_ROWS, SHARE_BAD = 2_000, 0.03
UNHEARD = ("word_cut", "wrong_piece", "other_voice")
"""Kinds that these judges do not hear: a word in fifteen needs a large recogniser, another voice a judge of voices."""
JUDGES = "signal,duration,forced"
CODE = "from speechmill.jobs.cli.main import main; main()"


def plant(spoken: str, folder: Path) -> dict[str, str]:
    """Write the clips of an output with a NeMo manifest, some with a fault; the kind of fault by id."""
    clips = [
        Hearing(
            clip.id, str(clip.metadata["text"]), str(clip.metadata["voice"]), "en", 1.0, clip.samples, clip.sample_rate
        )
        for clip in speechmill.read(spoken)
    ]
    clips.sort(key=lambda clip: clip.id)
    kinds = [kind for kind in FAULTS if kind not in UNHEARD]
    bad = random.Random(3).sample(range(len(clips)), round(SHARE_BAD * len(clips)))
    chosen = {at: kinds[number % len(kinds)] for number, at in enumerate(bad)}
    (folder / "wavs").mkdir(parents=True)
    with (folder / "manifest.json").open("w") as table:
        for at, clip in enumerate(clips):
            made = planted(chosen[at], clips, at) if at in chosen else clip
            soundfile.write(folder / "wavs" / f"{clip.id}.wav", made.samples, clip.sample_rate, subtype="PCM_16")
            line = {"id": clip.id, "audio_filepath": f"wavs/{clip.id}.wav", "text": clip.text, "voice": clip.voice}
            table.write(json.dumps({**line, "duration": made.duration_s}) + "\n")
    return {clips[at].id: kind for at, kind in chosen.items()}


def judge_in_turns(folder: Path, file: Path, judged: Path) -> dict[str, object]:
    """Judge on two workers, kill the driver after some parts, and go on; the summary."""
    common = [sys.executable, "-c", CODE, "judge", str(folder), "--judges", JUDGES, "--language", "en"]
    subprocess.run(
        [*common, "-o", str(file), "--calibrate", "500", "--false-rejects", "0.002"], check=True, capture_output=True
    )
    run = [*common, "-o", str(judged), "--calibration", str(file), "--workers", "2", "--json"]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        eventually(lambda: len(list(judged.glob("scores/*.jsonl"))) >= 3, "three parts")
        os.killpg(process.pid, signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in judged.glob("scores/*.jsonl")}
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=6 * HANG_S)
    assert done.returncode == 1, done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    found: dict[str, object] = json.loads(done.stdout)
    assert found["num_heard"] == found["num_clips"] - sum(len(path.read_text().splitlines()) for path in before)
    return found


def listed(judged: Path) -> set[str]:
    """Ids of the rows to speak again."""
    return {json.loads(line)["id"] for line in (judged / "again.jsonl").read_text().splitlines()}


@pytest.mark.soak
def test_what_was_planted_in_a_corpus_made_elsewhere_is_found_and_spoken_again(tmp_path: Path) -> None:
    with (tmp_path / "texts.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "text"], *([f"r{at:04d}", text] for at, text in enumerate(sentences(NUM_ROWS)))]
        )
    spoken = speechmill.Job(input={"uri": str(tmp_path / "texts.csv")}, output={"uri": str(tmp_path / "spoken")}).run()
    bad = plant(spoken.output, tmp_path / "elsewhere")
    judged = tmp_path / "judged"
    judge_in_turns(tmp_path / "elsewhere", tmp_path / "quality.json", judged)
    again = listed(judged)
    assert len(again & bad.keys()) >= 0.9 * len(bad)
    assert len(again - bad.keys()) <= 0.01 * (NUM_ROWS - len(bad))
    anew = speechmill.Job(input={"uri": str(judged / "again.jsonl")}, output={"uri": str(tmp_path / "anew")}).run()
    assert anew.num_ok == len(again)
    settled = speechmill.judge(anew.output, judges=JUDGES.split(","), calibration=str(tmp_path / "quality.json"))
    assert settled.num_rejected <= len(again - bad.keys())
