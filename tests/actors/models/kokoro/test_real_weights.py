"""The real weights (of the extra `kokoro-demo`): our network says what upstream's says, and a batch changes no row.

`data/kokoro_upstream.json` holds what upstream kokoro 0.9.4 made in float64 of one word, on these weights and with this
noise, with the angles of its first hop set as ours are (`benchmarks/lib/kokoro_upstream.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.kokoro_files import unfolded

from speechmill.actors.models.kokoro.checkpoint.folding import folded
from speechmill.actors.models.kokoro.checkpoint.sources import Source, open_source
from speechmill.actors.models.kokoro.nets.network import FRAME, KokoroNetwork, unfilled
from speechmill.actors.models.kokoro.text.phonemes import ids_of

pytestmark = pytest.mark.slow

UPSTREAM = Path(__file__).parents[3] / "data" / "kokoro_upstream.json"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Weights are made anew: nothing that an earlier version kept is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHMILL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source(None, "demo", "own")


@pytest.fixture(scope="module")
def upstream() -> dict[str, Any]:
    return json.loads(UPSTREAM.read_text(encoding="utf-8"))


def spoken(source: Source, network: KokoroNetwork, upstream: dict[str, Any]) -> tuple[Any, Any]:
    """Waveform and durations of upstream's word, with the noise that it was given: nine normals a sample, merged."""
    # As upstream had them: taken apart into lengths and directions, which rounds, and put together again.
    apart = unfolded(source.load())
    whole = folded(
        {f"{part}.{n.removeprefix('module.')}": t for part, state in apart.items() for n, t in state.items()}
    )
    network.load_state_dict(whole, strict=True)
    network.eval().requires_grad_(False)
    ids = ids_of(upstream["phonemes"])
    style = torch.from_numpy(source.voices.table(upstream["voice"], 128)[len(ids) - 3]).double()[None]
    prosody = network.prosody(torch.tensor([ids]), [len(ids)], style, torch.ones(1))
    weights = network.decoder.generator.m_source.l_linear.weight[0].double()
    noise = np.random.default_rng(0).standard_normal((prosody.num_frames[0] * FRAME, 9))
    wave = network.sound(prosody, [0], (torch.from_numpy(noise) @ weights / weights.norm())[None])
    return wave[0].double().numpy(), prosody.durations[0].tolist()


@pytest.mark.parametrize(
    ("network", "tolerance"),
    [
        pytest.param(lambda: unfilled().double(), 1e-6, id="float64", marks=pytest.mark.soak),
        pytest.param(lambda: unfilled().with_precise_ends(), 1e-5, id="default"),
    ],
)
def test_it_says_what_upstream_says(source: Source, upstream: dict[str, Any], network: Any, tolerance: float) -> None:
    """Law: within 1e-6 of the peak in float64, within 1e-5 as it runs; durations exactly."""
    wave, durations = spoken(source, network(), upstream)
    assert durations == upstream["durations"]
    picked = wave[:: upstream["every"]][: len(upstream["samples"])]
    assert np.abs(picked - upstream["samples"]).max() <= tolerance * upstream["peak"]
    assert np.sqrt((wave**2).mean()) == pytest.approx(upstream["rms"], rel=tolerance * 10)
