"""What `chattts_parity.py` gives to both sides: texts, settings, voices, waveforms, and the job that upstream reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import num_cores
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from speechmill.actors.engine.request import Sampling
from speechmill.actors.models.chattts.checkpoint.layout import EOS_CODE, PART_FILES, SAMPLE_RATE, Sizes
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.chattts.speech import Line
from speechmill.actors.models.chattts.text.tokens import Tokenizer
from speechmill.actors.models.chattts.voices import speaker as strings

TEXTS = (
    "hello there, this is line number one.",
    "short.",
    "a somewhat longer line of text, which makes the others of its batch be padded on the left. it goes on for a while",
    "hi",
    "一行中文，长短不同。",
    "numbers are words here [uv_break] and so one hundred is one hundred [laugh]",
    "the sixth, no, the seventh line",
    "又是一行 with both in it, 说完了。",
)
SETTINGS = "[speed_5]"
SAID_BEFORE = "what the sample says."
SAMPLE_STEPS = 40
REFINING = "[oral_2][laugh_0][break_6]"
REFINED_TOKENS = 24
WAVES_S = (2.0, 1.37)  # an even number of frames, and an odd one
NUM_STRINGS = 8
LIKELIER = 2.5


@dataclass(frozen=True, slots=True)
class Pass:
    """One batch, of the first `num_rows` texts: all with one speaker, or after one sample of a voice."""

    name: str
    num_rows: int
    min_steps: int
    max_steps: int
    has_speaker: bool = True

    @property
    def rows(self) -> list[str]:
        """The name of each row, before which "/codes" and the like stand for what comes of it."""
        return [f"{self.name}/{row}" for row in range(self.num_rows)]


FORCED = Pass("speaker", 8, 64, 64)
ENDING = Pass("ending", 8, 1, 96)
AFTER_SAMPLE = Pass("sample", 4, 32, 32, has_speaker=False)
PASSES = (FORCED, ENDING, AFTER_SAMPLE)

SOUNDED = {name: FORCED.max_steps - 9 * row for row, name in enumerate(FORCED.rows)}
"""Rows whose first steps are made sound, and how many: all different, and one step alone among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Numbers drawn for both sides.

    speakers   float16 [NUM_STRINGS, hidden]; the first one speaks
    prompts    uint16 [num_vq, steps] each; the first one is the sample that is spoken after
    waves      float32 [samples] each, at SAMPLE_RATE
    """

    speakers: NDArray[np.float16]
    prompts: list[NDArray[np.uint16]]
    waves: list[NDArray[np.float32]]


def write_weights(folder: Path, sizes: Sizes, seed: int) -> None:
    """A random checkpoint, with the end of speech so much larger in its heads that some rows reach it."""
    write_random(folder, sizes, seed)
    file = folder / PART_FILES["embed"]
    tensors = load_file(file)
    for book in range(sizes.num_vq):
        tensors[f"head_code.{book}.parametrizations.weight.original0"][EOS_CODE] *= LIKELIER
    save_file(tensors, file)


def inputs_of(sizes: Sizes, seed: int) -> Inputs:
    """Speakers, audio prompts of different lengths, and gliding tones in noise."""
    chance = np.random.default_rng(seed)
    lengths = [SAMPLE_STEPS, 1, *map(int, chance.integers(2, 500, NUM_STRINGS - 2))]
    return Inputs(
        np.stack([strings.sampled(number, sizes.hidden) for number in range(NUM_STRINGS)]),
        [chance.integers(0, EOS_CODE, (sizes.num_vq, length)).astype(np.uint16) for length in lengths],
        [_wave(duration_s, chance) for duration_s in WAVES_S],
    )


def lines_of(batch: Pass, tokenizer: Tokenizer, inputs: Inputs, temperature: float) -> list[Line]:
    """The rows of a pass."""
    sampling = Sampling((temperature,), min_steps=batch.min_steps, max_steps=batch.max_steps)
    speaker, sample = (inputs.speakers[0], None) if batch.has_speaker else (None, inputs.prompts[0])
    said = "" if batch.has_speaker else SAID_BEFORE
    prompts = [
        tokenizer.speak_prompt(text, SETTINGS, has_speaker=batch.has_speaker, spoken=said)
        for text in TEXTS[: batch.num_rows]
    ]
    return [Line(tuple(prompt), speaker, sample, 0, sampling) for prompt in prompts]


def write_job(folder: Path, weights: Path, sizes: Sizes, inputs: Inputs, temperature: float) -> None:
    """The inputs as `chattts_parity_peer.py` reads them; speakers and prompts go as strings that we wrote, too."""
    speakers = [strings.encode_speaker(vector) for vector in inputs.speakers]
    prompts = [strings.encode_audio_prompt(prompt) for prompt in inputs.prompts]
    passes: list[dict[str, Any]] = []
    for batch in PASSES:
        voice = {"spk_emb": speakers[0]} if batch.has_speaker else {"spk_smp": prompts[0], "txt_smp": SAID_BEFORE}
        limits = {"min_new_token": batch.min_steps, "max_new_token": batch.max_steps}
        params = {**voice, **limits, "prompt": SETTINGS, "temperature": temperature}
        passes.append({"name": batch.name, "texts": TEXTS[: batch.num_rows], "params": params})
    job = {
        "weights": str(weights),
        "num_layers": sizes.num_layers,
        "num_threads": num_cores(),
        "passes": passes,
        "refined": {
            "texts": TEXTS,
            "params": {
                "prompt": REFINING,
                "temperature": temperature,
                "min_new_token": REFINED_TOKENS,
                "max_new_token": REFINED_TOKENS,
            },
        },
        "sounded": SOUNDED | dict.fromkeys(ENDING.rows),  # those of ENDING whole
        "num_waves": len(inputs.waves),
        "speakers": speakers,
        "prompts": prompts,
    }
    (folder / "job.json").write_text(json.dumps(job))
    arrays: dict[str, Any] = {f"wave/{number}": wave for number, wave in enumerate(inputs.waves)}
    arrays |= {f"prompt/{number}": prompt for number, prompt in enumerate(inputs.prompts)}
    np.savez(folder / "inputs.npz", speakers=inputs.speakers, **arrays)


def _wave(duration_s: float, chance: np.random.Generator) -> NDArray[np.float32]:
    at_s = np.arange(int(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * hz * at_s * (1 + at_s / 8)) / number for number, hz in enumerate((140, 950, 4e3), 1)]
    return (0.2 * sum(tones) + 0.02 * chance.standard_normal(len(at_s))).astype(np.float32)
