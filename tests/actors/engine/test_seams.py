"""Rows by chunks against the whole: exact offsets and lengths, both decoders, several rows, less look-ahead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from speechmill.actors.engine.chunks import Chunk, Chunker, ChunkPolicy
from speechmill.actors.engine.seams import ChunkedRow, DecodeWindow, Seam, decode_windows
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.nets.acoustic import Dvae, HiddenDecoder
from speechmill.actors.models.chattts.nets.vocos import Vocos
from speechmill.actors.models.chattts.synthesis import MelDecoder, context_steps, decode

STEP, HOP = TINY.step_samples, TINY.hop
SEEDS = st.integers(0, 2**32)
KINDS = st.sampled_from(["hidden", "codes"])
few = settings(max_examples=min(15, settings.default.max_examples // 2))
arrivals = st.lists(st.integers(0, 25), min_size=1, max_size=6).filter(any)
"""Steps that come at a time, at least one in all."""


@st.composite
def seams(draw: st.DrawFn) -> Seam:
    """Any that are allowed, with the least context that their overlap needs or more."""
    first, ahead = draw(st.integers(1, 6)), draw(st.integers(0, 4))
    overlap = draw(st.integers(0, min(ahead * STEP, first * STEP - (0 if ahead else HOP) - 1)))
    numbers = {"first": first, "growth": draw(st.floats(1, 2)), "most": first + draw(st.integers(0, 9))}
    return Seam(TINY.timing, ChunkPolicy(ahead=ahead, context=4 + draw(st.integers(0, 5)), **numbers), overlap)


def samples_by_chunk(
    seam: Seam, coming: list[int], wave_of: Callable[[Chunk], NDArray[np.float32]], *, is_told_late: bool = False
) -> list[tuple[Chunk, NDArray[np.float32]]]:
    chunker, row, steps, found = Chunker(seam.policy), ChunkedRow(seam), 0, []
    for number, count in enumerate([*coming, 0] if is_told_late else coming, 1):
        steps += count
        while chunk := chunker.next(steps, is_complete=number == len(coming) + is_told_late):
            found.append((chunk, row.take(chunk, wave_of(chunk))))
    return found


class Networks:
    """Both decoders and the vocoder of one checkpoint."""

    def __init__(self, folder: Path) -> None:
        checkpoint = Checkpoint.open(folder)
        self.vocos = Vocos(TINY, checkpoint.load("vocos", "cpu", torch.float32))
        self.decoders: dict[str, MelDecoder] = {
            "hidden": HiddenDecoder(TINY, checkpoint.load("decoder", "cpu", torch.float32)),
            "codes": Dvae(TINY, checkpoint.load("dvae", "cpu", torch.float32)),
        }
        self.context = context_steps(self.decoders["hidden"], self.vocos)

    def decode(self, kind: str) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda steps, lengths: decode(steps, lengths, self.decoders[kind], self.vocos)

    def whole(self, kind: str, steps: Tensor) -> NDArray[np.float32]:
        return self.decode(kind)(steps.T[None], torch.tensor([len(steps)]))[0].numpy()

    def by_chunks(self, kind: str, seam: Seam, rows: list[Tensor], coming: list[int]) -> list[NDArray[np.float32]]:
        """Rows that grow by `coming` steps at a time, then by what is left; the chunks of a turn are one batch."""
        chunkers = [Chunker(seam.policy) for _ in rows]
        joined = [ChunkedRow(seam) for _ in rows]
        found: list[list[NDArray[np.float32]]] = [[] for _ in rows]
        for there in [*np.cumsum(coming).tolist(), max(map(len, rows))]:
            due: list[tuple[int, DecodeWindow]] = []
            for number, steps in enumerate(rows):
                here, chunker = min(there, len(steps)), chunkers[number]
                while chunk := chunker.next(here, is_complete=here == len(steps)):
                    window = DecodeWindow(joined[number], chunk, steps[chunk.window_start : chunk.window_end])
                    due.append((number, window))
            samples = decode_windows([window for _, window in due], self.decode(kind))
            for (number, _), part in zip(due, samples, strict=True):
                found[number].append(part)
        return [np.concatenate(parts) for parts in found]


@pytest.fixture(scope="module")
def networks(tiny_folder: Path) -> Networks:
    return Networks(tiny_folder)


def steps_of(kind: str, seed: int, steps: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    if kind == "codes":
        return torch.randint(0, 625, (steps, TINY.num_vq), generator=chance)
    return torch.randn(steps, TINY.hidden, generator=chance)


@given(seams(), arrivals, st.booleans())
def test_what_leaves_is_each_sample_once_and_in_order(seam: Seam, coming: list[int], is_told_late: bool) -> None:
    """With windows cut out of one waveform, to the bit: for any row from one step on, and any schedule."""
    truth = np.random.default_rng(0).standard_normal(TINY.timing.num_samples(sum(coming)), np.float32)

    def wave_of(chunk: Chunk) -> NDArray[np.float32]:
        start = chunk.window_start * STEP
        return truth[start : start + max(0, TINY.timing.num_samples(chunk.num_window_steps))]

    parts = samples_by_chunk(seam, coming, wave_of, is_told_late=is_told_late)
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), truth)
    assert all(part.dtype == np.float32 for _, part in parts)
    left = 0
    for chunk, part in parts[:-1]:
        left += len(part)
        assert len(part) > 0
        assert left == chunk.end * STEP - (0 if seam.policy.ahead else HOP) - seam.overlap


@given(seams(), arrivals)
def test_a_constant_stays_constant_and_neighbours_are_faded_in_a_line(seam: Seam, coming: list[int]) -> None:
    """Chunk n is all n: a chunk's part begins with the fade from what is held back, which never overshoots."""
    numbers = iter(range(1_000))
    parts = samples_by_chunk(seam, coming, lambda c: np.full(512 * c.num_window_steps, next(numbers), np.float32))
    whole = np.concatenate([part for _, part in parts])
    assert (np.diff(whole) >= 0).all()
    if len(parts) > 1 and seam.overlap:
        fade = parts[1][1][: seam.overlap]
        expected = np.arange(1, seam.overlap + 1) / (seam.overlap + 1)
        np.testing.assert_allclose(fade, expected[: len(fade)], atol=1e-6)


@few
@given(KINDS, SEEDS, st.integers(1, 70), arrivals, st.integers(0, STEP))
def test_with_the_whole_look_ahead_chunks_are_the_whole(
    networks: Networks, kind: str, seed: int, steps: int, coming: list[int], overlap: int
) -> None:
    policy = ChunkPolicy(first=2, growth=1.3, most=9, ahead=networks.context, context=networks.context + 1)
    seam, x = Seam(TINY.timing, policy, overlap), steps_of(kind, seed, steps)
    assert policy.context >= seam.least_context(networks.context)
    found = networks.by_chunks(kind, seam, [x], coming)[0]
    np.testing.assert_allclose(found, networks.whole(kind, x), rtol=0, atol=1e-5)


@few
@given(KINDS, SEEDS, st.lists(st.integers(1, 50), min_size=2, max_size=4), arrivals)
def test_rows_of_one_batch_are_rows_alone(
    networks: Networks, kind: str, seed: int, lengths: list[int], coming: list[int]
) -> None:
    seam = Seam(TINY.timing, ChunkPolicy(first=3, most=12, ahead=3, context=networks.context))
    rows = [steps_of(kind, seed + number, steps) for number, steps in enumerate(lengths)]
    together = networks.by_chunks(kind, seam, rows, coming)
    for x, found in zip(rows, together, strict=True):
        assert len(found) == TINY.timing.num_samples(len(x))
        np.testing.assert_allclose(found, networks.by_chunks(kind, seam, [x], coming)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["hidden", "codes"])
def test_more_look_ahead_is_nearer_to_the_whole(networks: Networks, kind: str) -> None:
    x = steps_of(kind, 0, 90)
    whole = networks.whole(kind, x)
    errors: list[float] = []
    for ahead in (0, 1, 4, 8, networks.context):
        seam = Seam(TINY.timing, ChunkPolicy(5, 1, 5, ahead, networks.context + 1), min(ahead, 1) * STEP)
        difference = networks.by_chunks(kind, seam, [x], [7] * 12)[0] - whole
        errors.append(float(np.square(difference).mean() ** 0.5))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 10 * errors[3]
    assert errors[4] < 1e-6 < errors[3]


def sums(reach: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A decoder whose samples are, to the bit, the sum of the steps within reach of theirs."""

    def decode_sums(steps: Tensor, lengths: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(steps[:, 0], (reach, reach))
        around = padded.unfold(1, 2 * reach + 1, 1).sum(-1)
        return around.repeat_interleave(STEP, 1)[:, : TINY.timing.num_samples(int(lengths.max()))]

    return decode_sums


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 3), st.data())
def test_the_least_context_is_enough_and_less_is_not(reach: int, first: int, more: int, data: st.DataObject) -> None:
    """The overlap belongs to steps before a chunk, and they ask for context of their own; one step less is missed.

    With the networks themselves, the outermost steps are too faint to be seen.
    """
    overlap = data.draw(st.integers(0, min(reach * STEP, first * STEP - 1)))
    x = torch.ones(40, 1)
    whole = sums(reach)(x.T[None], torch.tensor([40]))[0].numpy()
    least = Seam(TINY.timing, ChunkPolicy(first, 1.5, 9, reach, 20), overlap).least_context(reach)
    for context, ahead, is_enough in (
        (least, reach, True),
        (least + more, reach + more, True),
        (least - 1, reach, False),
    ):
        seam = Seam(TINY.timing, ChunkPolicy(first, 1.5, 9, ahead, context), overlap)
        chunker, row, parts = Chunker(seam.policy), ChunkedRow(seam), list[NDArray[np.float32]]()
        while chunk := chunker.next(40, is_complete=True):
            window = DecodeWindow(row, chunk, x[chunk.window_start : chunk.window_end])
            parts += decode_windows([window], sums(reach))
        assert np.array_equal(np.concatenate(parts), whole) == is_enough


@pytest.mark.parametrize(
    ("numbers", "overlap", "message"),
    [
        ({"first": 4, "ahead": 1}, 513, "overlap is 513 samples; allowed: 0 to 512 with a look-ahead of 1 steps"),
        ({"first": 1, "ahead": 4}, 512, "allowed: 0 to 511 with a look-ahead of 4 steps and a first chunk of 1"),
        ({"first": 4, "ahead": 0}, 1, "overlap is 1 samples; allowed: 0 to 0"),
        ({"ahead": 1}, -1, "overlap is -1 samples"),
        ({"ahead": 2, "context": 1}, 513, "context is 1 steps; allowed: 2 or more with an overlap of 513 samples"),
        ({"ahead": 0, "context": 0}, 0, "context is 0 steps; allowed: 1 or more"),
    ],
)
def test_an_overlap_that_does_not_fit_is_refused(numbers: dict[str, int], overlap: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Seam(TINY.timing, ChunkPolicy(**numbers), overlap)


def test_chunks_out_of_order_and_short_waveforms_are_refused() -> None:
    row = ChunkedRow(Seam(TINY.timing, ChunkPolicy(2, ahead=1)))
    with pytest.raises(ValueError, match="a chunk starts at step 2; its row is at step 0"):
        row.take(Chunk(2, 4, 0, 5, is_last=False), np.zeros(5 * STEP, np.float32))
    with pytest.raises(ValueError, match="a window of 3 steps has 1280 samples, not 1279"):
        row.take(Chunk(0, 2, 0, 3, is_last=False), np.zeros(1279, np.float32))
