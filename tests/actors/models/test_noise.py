"""Noise comes from a counter or a table: a number depends on its place alone, and never changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.noise import NoiseTable, normal, segment_seed, uniform
from speechmill.actors.models.noise_table import TABLE_SIZE, table_starts

CPU = torch.device("cpu")
BINS, BOOKS = 601, 4
SEEDS = st.integers(0, 2**63 - 1)


@given(st.integers(0, 2**63 - 1), st.integers(0, 10_000))
def test_noise_is_a_function_of_seed_step_and_codebook(seed: int, step: int) -> None:
    def at(seeds: list[int], steps: list[int]) -> torch.Tensor:
        return uniform(torch.tensor(seeds), torch.tensor(steps), BOOKS)

    assert torch.equal(at([seed], [step])[0], at([5, seed, 6], [9, step, 2])[1])
    assert not torch.equal(at([seed], [step]), at([seed], [step + 1]))
    assert not torch.equal(at([seed], [step]), at([seed ^ 1], [step]))


def test_noise_is_uniform_and_its_draws_do_not_depend_on_each_other() -> None:
    seeds = torch.arange(2_000)
    noise = torch.cat([uniform(seeds, torch.full_like(seeds, step), BOOKS) for step in range(20)], 1)
    assert 0 <= noise.min() < 1e-3
    assert 1 - 1e-3 < noise.max() < 1
    counts = torch.histc(noise, 20, 0, 1)
    expected = noise.numel() / 20
    assert float(((counts - expected) ** 2 / expected).sum()) < 45, "chi square of 19 degrees of freedom"
    for shifted in (noise[:, 1:] * noise[:, :-1], noise[1:] * noise[:-1]):
        assert float(shifted.mean()) == pytest.approx(0.25, abs=4 / math.sqrt(12 * 12 * shifted.numel()) + 2e-3)


@given(SEEDS, st.integers(0, 999), st.integers(1, 50))
def test_the_noise_of_a_frame_depends_on_seed_index_and_frame_alone(seed: int, index: int, frames: int) -> None:
    row = table_starts([seed], [index], frames)
    assert row.shape == (1, frames) and row.min() >= 0 and row.max() < TABLE_SIZE
    batch = table_starts([seed ^ 1, seed], [index, index], frames + 7)
    assert np.array_equal(batch[1, :frames], row[0])


def test_other_seeds_and_indices_get_other_noise() -> None:
    starts = table_starts([1, 2, 1, 1 << 62], [0, 0, 1, 0], 400)
    agree = [int((starts[i] == starts[j]).sum()) for i in range(4) for j in range(i)]
    assert max(agree) <= 3  # of 400, by chance


def test_the_noise_is_normal_and_independent() -> None:
    noise = NoiseTable(BINS, CPU).take(torch.from_numpy(table_starts([5], [0], 400)))[0].numpy()
    for part in (noise.real, noise.imag):
        assert part.mean() == pytest.approx(0, abs=0.01)
        assert part.std() == pytest.approx(1, abs=0.01)
        assert np.mean(part**4) == pytest.approx(3, abs=0.1)
    for one, other in ((noise.real, noise.imag), (noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1])):
        assert abs(np.mean(one * np.conj(other))) < 0.02


def test_the_noise_never_changes() -> None:
    """A change here changes every clip: it needs another revision of the port."""
    starts = table_starts([0, 2**63 - 1], [0, 3], 3)
    assert starts.tolist() == [[1880, 50867, 111106], [230455, 28758, 64559]]
    first = NoiseTable(BINS, CPU).take(torch.from_numpy(starts[:1]))[0, 0, :2].numpy()
    assert first == pytest.approx(np.array([-1.5784 + 2.2729j, 0.6962 + 0.4496j]), abs=1e-4)


@given(SEEDS, SEEDS, st.integers(1, 9), st.integers(1, 12))
def test_normal_numbers_of_a_row_depend_on_no_other_row(seed: int, other: int, channels: int, time: int) -> None:
    steps = torch.arange(time)
    alone = normal(torch.tensor([seed]), steps[None], channels)
    together = normal(torch.tensor([other, seed]), steps.expand(2, time), channels)
    assert alone.shape == (1, time, channels) and torch.equal(together[1], alone[0])
    assert torch.equal(normal(torch.tensor([seed]), torch.tensor([time - 1]), channels), alone[:, -1])


def test_normal_numbers_are_normal_and_independent() -> None:
    x = normal(torch.tensor([1, 2]), torch.arange(500).expand(2, 500), 100).double()
    assert torch.isfinite(x).all() and x.abs().max() < 5.9
    assert float(x.mean()) == pytest.approx(0, abs=0.01)
    assert float(x.std()) == pytest.approx(1, abs=0.01)
    assert float((x**4).mean()) == pytest.approx(3, abs=0.1)
    for one, next_one in ((x[0], x[1]), (x[:, 1:], x[:, :-1]), (x[..., 1:], x[..., :-1])):
        assert abs(float((one * next_one).mean())) < 0.02


def test_seeds_of_segments_differ_in_everything_and_never_change() -> None:
    """The first two are of rows that were spoken before there were attempts."""
    assert segment_seed(7, 0) == 5290741294190061032
    assert segment_seed(7, 3, "refine") == 6675710659490767319
    seeds = {
        segment_seed(seed, segment, purpose, attempt)
        for seed in (0, 1, 2**63 - 1)
        for segment in (0, 1, 12)
        for purpose in ("speak", "refine")
        for attempt in (0, 1, 2)
    }
    assert len(seeds) == 54 and all(0 <= seed < 2**63 for seed in seeds)


def test_numbers_of_a_counter_never_change() -> None:
    """A change here changes every clip that is drawn."""
    at = torch.tensor([0, 5])
    assert uniform(torch.tensor([0, 2**63 - 1]), at, 2).flatten().tolist() == pytest.approx(
        [0.8833107948303223, 0.4315279722213745, 0.6305547952651978, 0.309017539024353], abs=0
    )
    assert normal(torch.tensor([0, 2**63 - 1]), at, 1).flatten().tolist() == pytest.approx(
        [-0.45275769, -0.34801733], abs=1e-6
    )
