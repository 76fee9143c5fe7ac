"""The operations of a layer: few operators, and the bits of the formulas that they stand for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.operators import OperatorCount
from torch import Tensor
from torch.nn import functional as F

from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.network import Attended
from speechmill.actors.engine.region import Region
from speechmill.actors.models.chattts.checkpoint.layout import FULL, PART_FILES, TINY, Part, Sizes, tensors
from speechmill.actors.models.chattts.nets.backbone import Backbone
from speechmill.actors.models.chattts.nets.layer_ops import rms_norm, rotation, turn_in_place, turned
from speechmill.actors.models.chattts.nets.linear import linear, linear_added

KINDS = (torch.float32, torch.bfloat16, torch.float16)
OPERATORS_A_LAYER = 24
"""On a CPU in float32: two norms of six operators each, four to turn, one write, one attention, four products, of which
two add, and two of the gate."""
OPERATORS_BESIDE = 15
"""Of a step's hidden states beside the layers: positions, mask, turns, the first norm."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_norm_has_the_bits_of_its_formula(kind: torch.dtype) -> None:
    x, weight = torch.randn(3, 5, 768).to(kind) * 3, torch.randn(768).to(kind)
    wide = x.float()
    expected = weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6)).to(kind)
    assert torch.equal(rms_norm(x, weight), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_turn_has_the_bits_of_its_formula(kind: torch.dtype) -> None:
    lines = rotation(12, 50, kind, torch.device("cpu"))[torch.randint(0, 50, (3, 7))]
    parts = torch.randn(3, 7, 2, 4, 12).to(kind)
    cos, sin = lines[:, :, None, None, 0], lines[:, :, None, None, 1, 6:].repeat(1, 1, 1, 1, 2)
    left, right = parts.chunk(2, -1)
    expected = parts * cos + torch.cat((-right, left), -1) * sin
    assert torch.equal(turned(parts, lines[:, :, None]), expected)
    turn_in_place(parts, lines)
    assert torch.equal(parts, expected)


@pytest.mark.parametrize("rows", [1, 15, 16, 64])
def test_a_sum_within_a_product_has_the_bits_of_one_behind_it(rows: int) -> None:
    x, weight, other = torch.randn(rows, 1, 96), torch.randn(48, 96), torch.randn(rows, 1, 48)
    assert torch.equal(linear_added(x, weight, other), other + linear(x, weight))


def test_pairs_are_written_as_keys_and_values_one_by_one() -> None:
    caches = [Cache(2, 5, 3, 20, 4, torch.float32, torch.device("cpu")) for _ in range(2)]
    pairs, at = torch.randn(2, 3, 2, 3, 4), torch.tensor([[4, 5, 6], [0, 1, 2]])
    caches[0].put(1, 2, at, *pairs.transpose(1, 3).unbind(2))
    caches[1].put_pairs(1, torch.tensor([[2], [3]]), at, pairs)
    assert torch.equal(caches[0].layer(1), caches[1].layer(1))
    assert caches[0].layer(1).any() and not caches[1].layer(0).any()


def test_masks_are_those_of_the_region() -> None:
    attended = Attended.in_region(torch.tensor([[1, 3], [4, 7]]), Region(4, lambda at: at + 1, 1), torch.tensor([2, 3]))
    assert attended.mask(9).int().tolist() == [
        [[1, 1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0, 0]],
        [[1, 1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 1, 1, 1, 0]],
    ]


def test_a_step_stays_within_its_budget_of_operators() -> None:
    """At the published depth; the width does not matter. Each operator more is host time on a GPU."""
    sizes = replace(TINY, num_layers=FULL.num_layers)
    backbone = Backbone(sizes, state(sizes, "gpt"), state(sizes, "embed"))
    cache, x = backbone.cache(3, 64), torch.randn(3, 1, sizes.hidden)
    with torch.inference_mode(), OperatorCount() as count:
        backbone.hiddens(x, cache, 0, torch.tensor([3, 40, 8]), 64)
    assert count.total <= FULL.num_layers * OPERATORS_A_LAYER + OPERATORS_BESIDE, count.by_name.most_common()
    # A count that does not see the products would hold any budget.
    products = sum(number for name, number in count.by_name.items() if "linear" in name or "mm" in name)
    assert products == 4 * FULL.num_layers


def test_the_count_sees_what_an_operator_is_composed_of() -> None:
    x = torch.randn(2, 8)
    with torch.inference_mode(), OperatorCount() as count:
        F.rms_norm(x, (8,), x[0]).view(16).t()
    assert count.total == 6


def state(sizes: Sizes, part: Part) -> dict[str, Tensor]:
    """Random weights of a part."""
    return {name: torch.randn(shape) / 8 for name, shape in tensors(sizes)[PART_FILES[part]].items()}
