"""Replicas that share a device: together within the bound, and none depends on what another one has taken before it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.batcher.budget import Budget
from speechmill.actors.batcher.sharing import CardSharing
from speechmill.actors.device.card import CONTEXT_BYTES

CARD = 24 * 2**30


def bound(replicas: int, utilization: float, others: int) -> int:
    share = CardSharing(replicas, "").share()
    return Budget(CARD, others, utilization, share, resident=2**28, context=CONTEXT_BYTES).bound


@given(st.data(), st.integers(2, 8), st.floats(0.1, 1.0))
def test_replicas_that_start_in_any_order_share_the_memory(
    data: st.DataObject, replicas: int, utilization: float
) -> None:
    """Each sees the card as it is when it starts: the ones before it hold nothing yet, all they may, or a part."""
    alone = bound(replicas, utilization, CONTEXT_BYTES)
    held = [CONTEXT_BYTES]
    for _ in range(1, replicas):
        others = sum(held) + CONTEXT_BYTES
        assert bound(replicas, utilization, others) == alone, "another replica's memory changes nothing"
        held.append(CONTEXT_BYTES * (alone > 0) + data.draw(st.sampled_from([0, alone // 2, alone])))
    assert replicas * (alone + CONTEXT_BYTES * (alone > 0)) <= utilization * CARD


@given(st.integers(2, 8), st.integers(0, CARD))
def test_another_program_is_seen(replicas: int, others: int) -> None:
    assert bound(replicas, 0.9, others) <= max(0.0, 0.9 * (CARD - others))


def test_the_context_is_named() -> None:
    words = Budget(CARD, 0, 0.9, 0.5, 2**30, context=CONTEXT_BYTES).explain()
    assert "share 0.5 - 512.0 MiB of CUDA = 10.30 GiB" in words
