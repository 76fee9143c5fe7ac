"""Codes and their values: digits, quarters, bounds, and which group a code belongs to."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from speechmill.actors.models.chattts.checkpoint.layout import EOS_CODE, FULL, TINY
from speechmill.actors.models.chattts.nets.quantiser import Codebook, Quantiser, ResidualStart

CPU = torch.device("cpu")
BOOK = Codebook(FULL, CPU)
STARTS = st.sampled_from(list(ResidualStart))
CODES = st.integers(0, 624)
MIDDLE = 312  # the code whose digits all stand for 0
GROUP = TINY.group_dim


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def quantiser() -> Quantiser:
    weights = {}
    for group in range(TINY.vq_groups):
        weights[f"vq.{group}.project_in.weight"] = numbers(group, TINY.fsq_digits, GROUP) / math.sqrt(GROUP)
        weights[f"vq.{group}.project_in.bias"] = numbers(10 + group, TINY.fsq_digits)
        weights[f"vq.{group}.project_out.weight"] = numbers(20 + group, GROUP, TINY.fsq_digits)
        weights[f"vq.{group}.project_out.bias"] = numbers(30 + group, GROUP)
    return Quantiser(TINY, weights, "vq", ResidualStart.BOUNDED)


# ------------------------------------------------------------------ the codebook


@given(CODES)
def test_digits_give_their_code_back(code: int) -> None:
    values = BOOK.values(torch.tensor([code, MIDDLE])).tolist()
    digits = [round(2 * value) + 2 for value in values]
    assert all(digit in range(5) for digit in digits)
    assert [(digit - 2) / 2 for digit in digits] == values
    assert sum(digit * 5**place for place, digit in enumerate(digits)) == code


def test_every_code_has_a_value_of_its_own() -> None:
    assert BOOK.num_codes == EOS_CODE == 625
    both = torch.stack((torch.arange(625), torch.full((625,), MIDDLE)), 1)
    assert len(BOOK.values(both).unique(dim=0)) == 625


@given(CODES, CODES)
def test_the_second_residual_counts_a_quarter(first: int, second: int) -> None:
    alone = [BOOK.values(torch.tensor([code, MIDDLE])) for code in (first, second)]
    assert torch.equal(BOOK.values(torch.tensor([first, second])), alone[0] + alone[1] / 4)


@given(CODES)
def test_the_value_of_a_code_is_that_code_again(code: int) -> None:
    pair = torch.tensor([code, MIDDLE])
    assert torch.equal(BOOK.codes(BOOK.values(pair), ResidualStart.RAW), pair)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=4, max_size=4), STARTS)
def test_any_finite_values_have_codes(values: list[float], start: ResidualStart) -> None:
    codes = BOOK.codes(torch.tensor(values), start)
    assert codes.shape == (2,)
    assert bool(((codes >= 0) & (codes < 625)).all())


@given(st.floats(-4, 4, width=32), st.floats(-4, 4, width=32), STARTS)
def test_a_larger_value_has_no_smaller_digit(one: float, other: float, start: ResidualStart) -> None:
    low, high = sorted((one, other))
    digits = BOOK.codes(torch.tensor([[low, 0, 0, 0], [high, 0, 0, 0]]), start)[:, 0] % 5
    assert digits[0] <= digits[1]


@pytest.mark.parametrize("start", ResidualStart)
def test_the_outermost_digits_are_reached(start: ResidualStart) -> None:
    codes = BOOK.codes(torch.tensor([[9.0] * 4, [-9.0] * 4]), start)
    assert codes[:, 0].tolist() == [624, 0]


def expected_digits(z: float, start: ResidualStart) -> list[int] | None:
    """Both digits of one value, in float64; None where it lies too near an edge between two for float32 to say."""
    rest, digits = (2.002 * math.tanh(z) if start is ResidualStart.BOUNDED else z), []
    for scale in (1.0, 0.25):
        level = 2.002 * math.tanh(rest / scale)
        if abs(abs(level) % 1 - 0.5) < 1e-4:
            return None
        digits.append(round(level) + 2)
        rest -= round(level) / 2 * scale
    return digits


@given(st.floats(-5, 5, width=32), STARTS)
def test_digits_are_as_published(z: float, start: ResidualStart) -> None:
    expected = expected_digits(z, start)
    codes = BOOK.codes(torch.tensor([z, 0.0, 0.0, 0.0]), start)
    if expected is not None:
        assert (codes % 5).tolist() == expected


def test_the_two_starts_differ() -> None:
    z = numbers(0, 100, 4)
    assert not torch.equal(BOOK.codes(z, ResidualStart.BOUNDED), BOOK.codes(z, ResidualStart.RAW))


@pytest.mark.parametrize("levels", [2, 4, 8])
def test_an_even_number_of_levels_is_refused(levels: int) -> None:
    with pytest.raises(ValueError, match=f"fsq_levels is {levels}; allowed: odd numbers"):
        Codebook(replace(FULL, fsq_levels=levels), CPU)


# ------------------------------------------------------------------ groups of channels


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 5))
def test_shapes_and_bounds(quantiser: Quantiser, seed: int, batch: int, steps: int) -> None:
    codes = quantiser.encode(3 * numbers(seed, batch, steps, TINY.dvae_dim))
    assert codes.shape == (batch, steps, TINY.num_vq)
    assert codes.dtype == torch.int64
    assert bool(((codes >= 0) & (codes < quantiser.num_codes)).all())
    assert quantiser.decode(codes).shape == (batch, steps, TINY.dvae_dim)


@given(st.integers(0, 2**32), st.integers(0, 1))
def test_a_group_of_channels_has_codes_of_its_own(quantiser: Quantiser, seed: int, group: int) -> None:
    x = numbers(seed, 1, 6, TINY.dvae_dim)
    other = x.clone()
    other[:, :, group * GROUP : (group + 1) * GROUP] = 5 * numbers(seed + 1, 1, 6, GROUP)
    same = (quantiser.encode(x) == quantiser.encode(other))[0].all(0)
    own = [2 * group, 2 * group + 1]
    assert bool(same[[code for code in range(4) if code not in own]].all())
    assert not bool(same[own].all())


@given(st.integers(0, 2**32), st.integers(0, 3))
def test_a_code_decodes_to_the_channels_of_its_group(quantiser: Quantiser, seed: int, book: int) -> None:
    codes = torch.randint(0, 625, (1, 5, 4), generator=torch.Generator().manual_seed(seed))
    other = codes.clone()
    other[:, :, book] = (codes[:, :, book] + 1) % 625
    same = (quantiser.decode(codes) == quantiser.decode(other))[0]  # [steps, channels]
    group = book // 2
    own = torch.arange(TINY.dvae_dim) // GROUP == group
    assert bool(same[:, ~own].all())
    assert not same[:, own].all(1).any()


def test_codes_are_decided_in_float32_whatever_the_weights_are_in() -> None:
    weights = {}
    for group in range(2):
        weights[f"vq.{group}.project_in.weight"] = torch.eye(4, 16)
        weights[f"vq.{group}.project_in.bias"] = torch.zeros(4)
        weights[f"vq.{group}.project_out.weight"] = torch.eye(16, 4)
        weights[f"vq.{group}.project_out.bias"] = torch.zeros(16)
    half = {name: tensor.bfloat16() for name, tensor in weights.items()}
    x = numbers(0, 1, 50, TINY.dvae_dim).bfloat16()
    exact = Quantiser(TINY, weights, "vq", ResidualStart.BOUNDED)
    rounded = Quantiser(TINY, half, "vq", ResidualStart.BOUNDED)
    assert torch.equal(rounded.encode(x), exact.encode(x.float()))
    assert rounded.decode(rounded.encode(x)).dtype == torch.bfloat16
