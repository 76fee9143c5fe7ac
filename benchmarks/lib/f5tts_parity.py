"""f5tts against upstream f5-tts 1.1.22, number by number, on the same weights, clip and noise; and its text rules.

Upstream runs in a process of its own (`f5tts_upstream.py`), through its own inference: from clip and text to waveform.
Differences are the largest over the root mean square of upstream's values.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechmill.actors.audio.finishing import resample
from speechmill.actors.models.chattts.checkpoint.safetensors_file import read_header
from speechmill.actors.models.f5tts.checkpoint.weights import Checkpoint, vocoder_sizes
from speechmill.actors.models.f5tts.options import Options
from speechmill.actors.models.f5tts.synthesis import Row, Synthesis
from speechmill.actors.models.f5tts.text.durations import num_frames
from speechmill.actors.models.f5tts.text.tokens import Vocabulary, tokens_of
from speechmill.actors.models.f5tts.voices.presets import BUNDLED_VOICE, presets_of
from speechmill.actors.models.f5tts.voices.prompt import prompt_words, trimmed
from speechmill.actors.records.reference import Reference

UPSTREAM = Path(__file__).with_name("f5tts_upstream.py")
TEXT = "Rain again."
STEPS, GUIDANCES = (7, 16, 32), (2.0, 0.0)


def job_of(checkpoint: Checkpoint, num_threads: int) -> dict[str, Any]:
    """What upstream has to know of the weights."""
    shapes = {name: entry.shape for name, entry in read_header(checkpoint.vocoder).items()}
    sizes = vocoder_sizes(shapes, checkpoint.vocoder)
    return {
        "weights": str(checkpoint.weights),
        "vocabulary": str(checkpoint.vocabulary),
        "vocoder": str(checkpoint.vocoder),
        "vocoder_sizes": [sizes.vocos_hidden, sizes.vocos_ffn, sizes.vocos_blocks],
        "sizes": asdict(checkpoint.sizes),
        "num_threads": num_threads,
    }


def ask(folder: Path, peer: str, job: dict[str, Any], inputs: dict[str, NDArray[np.float32]]) -> tuple[Any, Any]:
    """Upstream's answers and arrays."""
    folder.mkdir(exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job))
    np.savez(folder / "inputs.npz", **inputs)  # pyright: ignore[reportArgumentType]
    subprocess.run([peer, str(UPSTREAM), str(folder)], check=True)
    return json.loads((folder / "upstream.json").read_text()), np.load(folder / "upstream.npz")


def clip_of(reference: Reference) -> NDArray[np.float32]:
    """The prepared clip at 24 kHz, before its level is changed."""
    return np.ascontiguousarray(resample(trimmed(reference), reference.sample_rate, 24_000))


def same_rules(folder: Path, peer: str, checkpoint: Checkpoint, lines: Sequence[str]) -> dict[str, int]:
    """How many lines were compared, and how many have other tokens, or another number of frames."""
    reference = presets_of({})[BUNDLED_VOICE]
    job = job_of(checkpoint, 1) | {"lines": list(lines), "reference": _ended(reference.text)}
    clip = clip_of(reference)
    answers, _ = ask(folder, peer, job, {"clip": clip})
    words = prompt_words(reference)
    tokens = [tokens_of(words + line) for line in lines]
    other_tokens = sum(ours != theirs for ours, (theirs, _) in zip(tokens, answers["lines"], strict=True))
    # The least that its sampler makes of a duration is not part of what is asked for here.
    frames = [num_frames(len(clip), words, line, 0) for line in lines]
    other_frames = sum(ours != theirs for ours, (_, theirs) in zip(frames, answers["lines"], strict=True))
    return {"lines": len(lines), "other_tokens": other_tokens, "other_frames": other_frames}


def compare(
    folder: Path, peer: str, checkpoint: Checkpoint, num_threads: int, clip_s: float = 0.35
) -> dict[str, float]:
    """The largest difference of frames and of waveforms, of every number of steps with and without guidance."""
    whole = presets_of({})[BUNDLED_VOICE]
    reference = Reference.of(whole.samples[: round((0.3 + clip_s) * whole.sample_rate)], whole.sample_rate, "The lamp.")
    clip, words = clip_of(reference), prompt_words(reference)
    tokens = Vocabulary.read(checkpoint.vocabulary).ids(words + TEXT)
    row = Row(tokens, reference, num_frames(len(clip), words, TEXT, len(tokens)), 0)
    cases: list[dict[str, Any]] = [
        {"name": f"{steps}/{guidance:g}", "text": TEXT, "steps": steps, "guidance": guidance, "seed": at}
        for at, (steps, guidance) in enumerate((steps, guidance) for steps in STEPS for guidance in GUIDANCES)
    ]
    job = job_of(checkpoint, num_threads) | {"cases": cases, "reference": _ended(reference.text)}
    _, arrays = ask(folder, peer, job, {"clip": clip})
    differences: dict[str, float] = {}
    torch.set_num_threads(num_threads)
    for case in cases:
        name = case["name"]
        synthesis = Synthesis(checkpoint, Options(steps=case["steps"], guidance=case["guidance"]), "cpu")
        torch.manual_seed(case["seed"])
        noise = torch.randn(row.num_frames, checkpoint.sizes.n_mels)[None]
        with torch.inference_mode():
            frames = synthesis.frames([row], noise)
            wave = synthesis.sound([row], frames)[0]
        differences[f"mel {name}"] = apart(frames[0][len(clip) // 256 :].numpy(), arrays[f"{name}/mel"])
        differences[f"wave {name}"] = apart(wave, arrays[f"{name}/wave"])
    return differences


def apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """The largest difference over the root mean square of theirs."""
    if ours.shape != theirs.shape:
        raise SystemExit(f"ours has the shape {ours.shape}, upstream's {theirs.shape}")
    return float(np.abs(ours - theirs).max() / np.sqrt(np.square(theirs, dtype=np.float64).mean()))


def _ended(text: str) -> str:
    """What upstream's preparation of a clip, which needs FFmpeg, makes of its words."""
    return text + " " if text.endswith(".") else text + ". "
