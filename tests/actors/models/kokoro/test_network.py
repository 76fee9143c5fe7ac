"""The network on random weights: what a row is does not depend on its batch."""

from __future__ import annotations

import pytest
import torch
from support.kokoro_files import TINY, random_network
from torch import Tensor

from speechmill.actors.models.kokoro.nets.harmonics import BINS, HOP, HarmonicSource, Transform
from speechmill.actors.models.kokoro.nets.network import FRAME, KokoroNetwork, Prosody, unfilled
from speechmill.actors.models.kokoro.nets.span import Span

LENGTHS = (3, 8, 5, 4)
SPEEDS = (1.0, 0.7, 2.0, 1.3)


@pytest.fixture(scope="module")
def network() -> KokoroNetwork:
    return random_network().with_precise_ends()


@pytest.fixture(scope="module")
def rows() -> list[tuple[Tensor, Tensor, float]]:
    """Ids, a style and a speed each."""
    drawn = torch.Generator().manual_seed(1)
    return [
        (
            torch.nn.functional.pad(torch.randint(1, 178, (length - 2,), generator=drawn), (1, 1)),
            torch.randn(2 * TINY.style, generator=drawn),
            speed,
        )
        for length, speed in zip(LENGTHS, SPEEDS, strict=True)
    ]


def prosody_of(network: KokoroNetwork, rows: list[tuple[Tensor, Tensor, float]], pad: int = 0) -> Prosody:
    ids = torch.nn.utils.rnn.pad_sequence([row[0] for row in rows], batch_first=True, padding_value=pad)
    styles, speeds = torch.stack([row[1] for row in rows]), torch.tensor([row[2] for row in rows])
    return network.prosody(ids, [len(row[0]) for row in rows], styles, speeds)


def noise_of(row: Tensor, frames: int) -> Tensor:
    """As long as is asked for; what is drawn is the same at any length."""
    drawn = torch.randn(1_000 * FRAME, generator=torch.Generator().manual_seed(int(row.sum())))
    return drawn[: frames * FRAME]


def spoken(
    network: KokoroNetwork, rows: list[tuple[Tensor, Tensor, float]], picked: list[int], pad: int = 0
) -> list[Tensor]:
    prosody = prosody_of(network, rows, pad)
    longest = max(prosody.num_frames[row] for row in picked)
    noise = torch.stack([noise_of(rows[row][0], longest) for row in picked])
    waves = network.sound(prosody, picked, noise)
    return [wave[: prosody.num_frames[row] * FRAME] for wave, row in zip(waves, picked, strict=True)]


def test_a_row_is_the_same_in_every_batch(network: KokoroNetwork, rows: list[tuple[Tensor, Tensor, float]]) -> None:
    """Law: alone, in any batch, in any order, picked out of it, whatever stands in the padding; durations exactly."""
    alone = [spoken(network, [row], [0])[0] for row in rows]
    durations = [prosody_of(network, [row]).durations[0] for row in rows]
    for order, pad in (([0, 1, 2, 3], 77), ([3, 2, 0, 1], 0), ([2, 1], 77)):
        batch = [rows[at] for at in order]
        prosody = prosody_of(network, batch, pad)
        for at, row in enumerate(order):
            assert torch.equal(prosody.durations[at, : LENGTHS[row]], durations[row])
            assert not prosody.durations[at, LENGTHS[row] :].any()
        for picked in (list(range(len(order))), [len(order) - 1, 0]):
            for at, wave in zip(picked, spoken(network, batch, picked, pad), strict=True):
                expected = alone[order[at]]
                assert wave.shape == expected.shape
                assert float((wave - expected).abs().max()) <= 2e-5 * float(expected.abs().max())


def test_in_float64_a_batch_changes_next_to_nothing(rows: list[tuple[Tensor, Tensor, float]]) -> None:
    network = random_network().double()
    rows = [(ids, style.double(), speed) for ids, style, speed in rows]
    for row, wave in enumerate(spoken(network, rows, list(range(len(rows))))):
        expected = spoken(network, [rows[row]], [0])[0]
        assert float((wave - expected).abs().max()) <= 1e-9 * float(expected.abs().max())


def test_every_row_has_its_speed(network: KokoroNetwork, rows: list[tuple[Tensor, Tensor, float]]) -> None:
    ids, style, _ = rows[1]
    slow, plain, fast = prosody_of(network, [(ids, style, 0.5), (ids, style, 1.0), (ids, style, 2.0)]).num_frames
    assert slow > plain > fast >= len(ids)


def test_noise_changes_the_sound_and_not_its_length(
    network: KokoroNetwork, rows: list[tuple[Tensor, Tensor, float]]
) -> None:
    prosody = prosody_of(network, rows[:1])
    samples = prosody.num_frames[0] * FRAME
    quiet, loud = (network.sound(prosody, [0], torch.full((1, samples), value)) for value in (0.0, 1.0))
    assert quiet.shape == loud.shape == (1, samples)
    assert not torch.equal(quiet, loud)


def test_rough_convolutions_change_little(rows: list[tuple[Tensor, Tensor, float]]) -> None:
    """bfloat16 keeps lengths and pitch exactly, and the sound roughly."""
    exact, rough = (random_network().with_precise_ends() for _ in range(2))
    rough.with_rough_convolutions(torch.bfloat16)
    one, other = spoken(exact, rows[:2], [0, 1]), spoken(rough, rows[:2], [0, 1])
    for wave, roughly in zip(one, other, strict=True):
        assert wave.shape == roughly.shape
        difference = float((wave - roughly).norm() / wave.norm())
        assert 1e-4 < difference < 0.2


def test_the_source_is_a_sum_of_sines_whose_phase_is_continuous() -> None:
    """One half frame after another at one pitch is a sine of that pitch, from the first middle to the last."""
    source = HarmonicSource()
    with torch.no_grad():
        source.l_linear.weight.zero_()
        source.l_linear.weight[0, 1] = 1.0
        source.l_linear.bias.zero_()
        wave = source(torch.full((1, 20), 200.0, dtype=torch.float64), torch.zeros(1, 6_000))
    at = torch.arange(150, 5_850).double()
    # the phase is that of a whole half frame at the middle of the first
    phase = 2 * torch.pi * 400.0 / 24_000 * (at + 0.5 - 150 + 300)
    assert torch.allclose(wave[0, 150:5_850], torch.tanh(0.1 * torch.sin(phase)), atol=1e-9)


def test_unvoiced_half_frames_are_noise_alone() -> None:
    source = HarmonicSource()
    with torch.no_grad():
        source.l_linear.bias.zero_()
        f0 = torch.tensor([[0.0, -3.0, 10.0]], dtype=torch.float64)
        assert not source(f0, torch.zeros(1, 900)).any()
        assert source(f0, torch.ones(1, 900)).all()


def test_the_transform_gives_back_what_it_takes() -> None:
    """Law: to rounding and to both ends of each row, where rows of a batch differ in length."""
    transform = Transform()
    lengths = [120 * 5, 40 * 5, 77 * 5]
    hops = Span([length // HOP + 1 for length in lengths], torch.device("cpu"), torch.float64)
    wave = torch.zeros(3, max(lengths), dtype=torch.float64)
    for row, length in enumerate(lengths):
        wave[row, :length] = torch.randn(length, generator=torch.Generator().manual_seed(row)).double()
    spectrum = transform.analyse(wave, hops)
    assert spectrum.shape == (3, 2 * BINS, 121)
    back = transform.synthesise(spectrum[:, :BINS], spectrum[:, BINS:], hops)
    for row, length in enumerate(lengths):
        assert torch.allclose(back[row, :length], wave[row, :length], atol=1e-9)
    angles = spectrum[:, BINS:]
    for row, hop in ((0, 0), (1, 0), (2, 0)):
        assert set(angles[row, :, hop].tolist()) <= {0.0, torch.pi}


def test_a_network_that_is_to_be_filled_has_all_weights_and_draws_none(network: KokoroNetwork) -> None:
    before = torch.get_rng_state()
    empty = unfilled(TINY).with_precise_ends()
    assert torch.equal(torch.get_rng_state(), before)
    kinds = [[(name, w.shape, w.dtype) for name, w in n.state_dict().items()] for n in (empty, network)]
    assert kinds[0] == kinds[1]
    buffers = zip(empty.buffers(), network.buffers(), strict=True)
    assert all(torch.equal(one, other) for one, other in buffers), "what is not loaded is made"
