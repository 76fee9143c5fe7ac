"""How many replicas share a GPU: they fit, they gain, and Ray puts so many there; a use that is kept comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.batcher.card_cache import CardCache
from speechmill.actors.batcher.profile import ProfileKey
from speechmill.actors.batcher.sharing import MOST, CardSharing, CardUse, num_sharing, share_card
from speechmill.actors.device.card import CONTEXT_BYTES, CardPoint

KEY = ProfileKey("chattts", "1", "torch", "cuda", "a card", "torch", "{}")
GIB = 2**30


def use(busy: float, card: int = 80 * GIB, fixed: int = GIB, slot: int = 141 * 10**6) -> CardUse:
    """Of a model whose step takes 5 ms of host time, and a share of it on the device, whatever the number of rows."""
    points = [CardPoint(rows, rows, rows * slot, 5e-3, busy * 5e-3) for rows in (1, 2, 4, 8, 16, 32, 64, 128, 256)]
    return CardUse(KEY, card, fixed, tuple(points))


@st.composite
def uses(draw: st.DrawFn) -> CardUse:
    """Steps with any host time, and device times that grow with the rows."""
    host, weights, row = (draw(st.floats(1e-5, 1e-2)) for _ in range(3))
    slot, points = draw(st.integers(10**5, 10**9)), list[CardPoint]()
    for rows in (1, 2, 4, 8, 16, 32, 64, 128):
        device = weights + rows * row
        points.append(CardPoint(rows, rows, rows * slot, max(host, device), device))
    return CardUse(KEY, draw(st.integers(GIB, 140 * GIB)), draw(st.integers(10**6, 8 * GIB)), tuple(points))


@given(uses(), st.floats(0.1, 1.0), st.integers(1, 12))
def test_what_shares_a_gpu_fits_and_gains(found: CardUse, utilization: float, most: int) -> None:
    sharing = share_card(found, utilization, most)
    assert 1 <= sharing.replicas <= min(most, MOST)
    assert sharing.gain >= (1.0 if sharing.replicas == 1 else 1.04), "not for nothing"
    assert sharing.gain <= sharing.replicas * (1 + 1e-9)
    least = min(point.num_bytes for point in found.points)
    if sharing.replicas > 1:
        held = sharing.replicas * (CONTEXT_BYTES + found.fixed_bytes + least)
        assert held <= utilization * found.card_bytes
    alone = share_card(found, utilization, 1)
    assert (alone.replicas, alone.gain) == (1, 1.0)


@pytest.mark.parametrize(("busy", "replicas"), [(1.0, 1), (0.97, 1), (0.5, 2), (0.34, 3), (0.05, 8)])
def test_idle_times_of_a_gpu_are_filled(busy: float, replicas: int) -> None:
    sharing = share_card(use(busy, slot=10**6), 0.9)
    assert sharing.replicas == replicas
    assert f"busy for {100 * busy:.0f} % of the time (256 rows at once)" in sharing.reason


def test_memory_limits_them_before_speed_does() -> None:
    """On a GPU of 24 GB, rows are worth more than replicas: each has half of the slots, and the same host time."""
    points = tuple(replace(point, seconds=5e-3, device_s=2e-3) for point in use(0.4).points)
    small = CardUse(KEY, 24 * GIB, 2 * GIB, points)
    assert share_card(small, 0.9).replicas == 1, "128 rows of one, or two with 64 rows each"
    assert share_card(replace(small, fixed_bytes=20 * GIB), 0.9).reason.endswith("more have no memory")
    assert "hold no more than one" in share_card(replace(small, fixed_bytes=23 * GIB), 0.9).reason


def test_what_was_never_measured_is_said() -> None:
    sharing = share_card(None, 0.9)
    assert sharing.replicas == 1
    assert "the first replica measures it while it loads, and the next run uses it" in sharing.reason


@given(st.integers(1, MOST), st.sampled_from([1.0, 0.9, 0.75, 0.5]))
def test_ray_puts_so_many_on_a_gpu(replicas: int, room: float) -> None:
    """Ray rounds shares to a ten-thousandth: six of 1/6 would be more than one."""
    share = CardSharing(replicas, "").share(room)
    rounded = round(share * 10_000)
    assert replicas * rounded <= round(room * 10_000) < (replicas + 1) * rounded
    if room == 1.0:
        assert num_sharing(share) == replicas


@pytest.mark.parametrize(("share", "replicas"), [(2.0, 1), (0.6, 1), (0.4, 2), (1 / 6, 5), (0.1666, 6), (1e-6, 10_000)])
def test_replicas_are_counted_as_ray_counts(share: float, replicas: int) -> None:
    assert num_sharing(share) == replicas


def test_a_use_is_kept(tmp_path: Path) -> None:
    cache, kept = CardCache(tmp_path), use(0.5)
    assert cache.get(KEY) is None
    cache.put(kept)
    assert cache.get(KEY) == cache.latest("chattts", "1", "torch", "cuda", "{}") == kept
    assert cache.latest("chattts", "2", "torch", "cuda", "{}") is None
    [file] = tmp_path.glob("*.json")
    for damaged in (kept.to_json()[:-9], "{}", "[]", kept.to_json().replace('"units": 1,', '"units": -1,')):
        file.write_text(damaged)
        assert cache.get(KEY) is None
