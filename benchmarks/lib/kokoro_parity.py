"""Kokoro against upstream kokoro 0.9.4, number by number, on the same weights and the same noise; and upstream's speed.

The weights are the int8 ones of the extra `kokoro-demo` in float32, written as a checkpoint of the published form,
which both sides load: the loader is compared as well. Differences are the largest over the peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from speechmill.actors.models.kokoro.checkpoint.folding import read_checkpoint
from speechmill.actors.models.kokoro.checkpoint.sources import demo_weights
from speechmill.actors.models.kokoro.nets.network import FRAME, KokoroNetwork
from speechmill.actors.models.kokoro.nets.sizes import FULL
from speechmill.actors.models.kokoro.text.phonemes import ids_of
from speechmill.actors.models.kokoro.voices.tables import demo_tables

TESTS = Path(__file__).parents[2] / "tests"
UPSTREAM = Path(__file__).with_name("kokoro_upstream.py")
PHONEMES = ("hˈaɪ.", "ðə kˈɛTᵊl ɪz ˌɔn, ænd ðə dˈɔɹ ɪz ˈOpᵊn.", "ni↓xau↓, ʂɨ↘ʨje↘.")
SPEEDS = (1.0, 1.2, 0.8)


def write_random_folder(folder: Path) -> str:
    """A tiny folder of random weights, as the tests have it."""
    sys.path.insert(0, str(TESTS))
    from support.kokoro_files import write_folder

    return str(write_folder(folder))


def compare(folder: Path, peer: str) -> dict[str, Any]:
    """Every comparison, the largest difference of any row over that row's peak."""
    sys.path.insert(0, str(TESTS))
    from support.kokoro_files import unfolded, write_config

    write_config(folder, FULL)
    stored = {name: torch.from_numpy(value.copy()) for name, value in demo_weights().items()}
    torch.save(unfolded(stored), folder / "kokoro-v1_0.pth")
    loaded = read_checkpoint(folder / "kokoro-v1_0.pth")
    loader = max(float((loaded[name] - value).abs().max()) for name, value in stored.items())
    exact, default = KokoroNetwork().double(), KokoroNetwork().with_precise_ends()
    for network in (exact, default):
        network.load_state_dict(loaded)
        network.eval().requires_grad_(False)
    inputs = _inputs(exact)
    np.savez(folder / "inputs.npz", **inputs)
    subprocess.run([peer, str(UPSTREAM), str(folder)], check=True)
    theirs = np.load(folder / "outputs.npz")
    figures: dict[str, Any] = {"loader": loader, "same_durations": True}
    for row in range(len(SPEEDS)):
        ours64, durations = _speak(exact, inputs, row)
        ours32, _ = _speak(default, inputs, row)
        figures["same_durations"] &= bool(np.array_equal(durations, theirs[f"durations_float64_{row}"]))
        for name, ours, peers in (
            ("float64_against_float64", ours64, theirs[f"float64_{row}"]),
            ("float64_against_plain_float64", ours64, theirs[f"plain64_{row}"]),
            ("default_against_float64", ours32, theirs[f"float64_{row}"]),
            ("peer_float32_against_float64", theirs[f"float32_{row}"], theirs[f"float64_{row}"]),
        ):
            difference = float(np.abs(ours - peers).max() / np.abs(peers).max())
            figures[name] = max(figures.get(name, 0.0), difference)
    return figures


def upstream_seconds(
    folder: Path, peer: str, tokens: Sequence[Sequence[int]], styles: Sequence[Any]
) -> tuple[float, float]:
    """Seconds that upstream's loop takes for rows, and the seconds of audio; on the weights that `compare` wrote."""
    arrays: dict[str, Any] = {f"ids{row}": np.array(ids) for row, ids in enumerate(tokens)}
    arrays |= {f"style{row}": style for row, style in enumerate(styles)}
    arrays["speeds"] = np.ones(len(tokens))
    np.savez(folder / "inputs.npz", **arrays)
    command = [peer, str(UPSTREAM), str(folder), "time"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds, audio_s = json.loads(done.stdout.splitlines()[-1])
    return seconds, audio_s


def _inputs(network: KokoroNetwork) -> dict[str, Any]:
    voices = demo_tables()
    made: dict[str, Any] = {"speeds": np.array(SPEEDS)}
    for row, (phonemes, name) in enumerate(zip(PHONEMES, voices, strict=False)):
        ids = ids_of(phonemes)
        made[f"ids{row}"], made[f"style{row}"] = np.array(ids), voices[name][len(ids) - 3]
        prosody = network.prosody(
            torch.tensor([ids]),
            [len(ids)],
            torch.from_numpy(made[f"style{row}"])[None].double(),
            torch.tensor([SPEEDS[row]]),
        )
        samples = prosody.num_frames[0] * FRAME
        made[f"noise{row}"] = np.random.default_rng(row).standard_normal((samples, 9))
    return made


def _speak(network: KokoroNetwork, inputs: dict[str, Any], row: int) -> tuple[Any, Any]:
    ids, style = torch.from_numpy(inputs[f"ids{row}"])[None], torch.from_numpy(inputs[f"style{row}"])[None]
    weights = network.decoder.generator.m_source.l_linear.weight[0].double()
    noise = torch.from_numpy(inputs[f"noise{row}"]) @ weights / weights.norm()
    prosody = network.prosody(ids, [ids.shape[1]], style.double(), torch.tensor([SPEEDS[row]]))
    return network.sound(prosody, [0], noise[None])[0].double().numpy(), prosody.durations[0].numpy()
