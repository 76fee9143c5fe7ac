"""The mel decoders and the DVAE's encoder: against plain torch, rows alone and among others, how far a step reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from speechmill.actors.models.chattts.checkpoint.layout import TINY, Part
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.nets import layers
from speechmill.actors.models.chattts.nets.acoustic import Dvae, HiddenDecoder
from speechmill.actors.models.chattts.nets.layers import Convolution, cleared, padding_of
from speechmill.actors.models.chattts.nets.quantiser import ResidualStart

State = Mapping[str, Tensor]
SIZES = TINY
LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**32)
few = settings(max_examples=min(25, settings.default.max_examples // 2))


@pytest.fixture(scope="module")
def checkpoint(tiny_folder: Path) -> Checkpoint:
    return Checkpoint.open(tiny_folder)


def state(checkpoint: Checkpoint, part: Part) -> State:
    return checkpoint.load(part, "cpu", torch.float32)


@pytest.fixture(scope="module")
def hidden(checkpoint: Checkpoint) -> HiddenDecoder:
    return HiddenDecoder(SIZES, state(checkpoint, "decoder"))


@pytest.fixture(scope="module")
def dvae(checkpoint: Checkpoint) -> Dvae:
    return Dvae(SIZES, state(checkpoint, "dvae"))


def hiddens(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def codes(seed: int, *shape: int) -> Tensor:
    return torch.randint(0, 625, shape, generator=torch.Generator().manual_seed(seed))


def filled(x: Tensor, lengths: list[int], padding: float) -> Tensor:
    """A copy of x [batch, channels, time] with `padding` from each row's length on."""
    is_padding = torch.arange(x.shape[2]) >= torch.tensor(lengths)[:, None]
    return x.masked_fill(is_padding[:, None], padding)


# ------------------------------------------------------------------ against plain torch


def stack(state: State, name: str, blocks: int, x: Tensor) -> Tensor:
    """The published stack on [batch, channels, time], as a reader of its description would write it."""
    x = F.gelu(F.conv1d(x, state[f"{name}.conv_in.0.weight"], state[f"{name}.conv_in.0.bias"], padding=1))
    x = F.conv1d(x, state[f"{name}.conv_in.2.weight"], state[f"{name}.conv_in.2.bias"], padding=1)
    for block in range(blocks):
        at = f"{name}.decoder_block.{block}"
        kernel, bias = state[f"{at}.dwconv.weight"], state[f"{at}.dwconv.bias"]
        y = F.conv1d(x, kernel, bias, padding=6, dilation=2, groups=len(kernel)).transpose(1, 2)
        y = F.layer_norm(y, y.shape[-1:], state[f"{at}.norm.weight"], state[f"{at}.norm.bias"], 1e-6)
        y = F.gelu(F.linear(y, state[f"{at}.pwconv1.weight"], state[f"{at}.pwconv1.bias"]))
        y = F.linear(y, state[f"{at}.pwconv2.weight"], state[f"{at}.pwconv2.bias"]) * state[f"{at}.weight"]
        x = x + y.transpose(1, 2)
    return F.conv1d(x, state[f"{name}.conv_out.weight"])


def mel_of(state: State, blocks: int, steps: Tensor) -> Tensor:
    """Log-mel of channels [batch, 2 * channels, steps]: the first half of a step is its first frame."""
    first, second = steps.chunk(2, 1)
    frames = torch.stack((first, second), 3).flatten(2)
    return F.conv1d(stack(state, "decoder", blocks, frames), state["out_conv.weight"], padding=1) * state["coef"]


@few
@given(SEEDS, st.integers(1, 3), st.integers(1, 12))
def test_hidden_states_decode_as_described(checkpoint: Checkpoint, seed: int, batch: int, steps: int) -> None:
    weights, x = state(checkpoint, "decoder"), hiddens(seed, batch, SIZES.hidden, steps)
    found = HiddenDecoder(SIZES, weights).decode(x, torch.full((batch,), steps))
    assert found.shape == (batch, SIZES.n_mels, 2 * steps)
    torch.testing.assert_close(found, mel_of(weights, SIZES.decoder_blocks, x), rtol=0, atol=1e-4)


@few
@given(SEEDS, st.integers(1, 3), st.integers(1, 12))
def test_codes_decode_as_described(checkpoint: Checkpoint, seed: int, batch: int, steps: int) -> None:
    weights, x = state(checkpoint, "dvae"), codes(seed, batch, SIZES.num_vq, steps)
    found = Dvae(SIZES, weights).decode(x, torch.full((batch,), steps))
    digits = torch.stack([x // 5**digit % 5 for digit in range(4)], -1)  # [batch, num_vq, steps, digits]
    values = (digits - 2) / 2
    groups: list[Tensor] = []
    for group in range(2):
        out_of = f"vq_layer.quantizer.rvqs.{group}.project_out"
        both = values[:, 2 * group] + values[:, 2 * group + 1] / 4
        groups.append(F.linear(both, weights[f"{out_of}.weight"], weights[f"{out_of}.bias"]).transpose(1, 2))
    expected = mel_of(weights, SIZES.dvae_blocks, torch.cat(groups, 1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@few
@given(SEEDS, st.integers(2, 25))
def test_codes_of_a_mel_are_as_described(checkpoint: Checkpoint, seed: int, frames: int) -> None:
    weights, mel = state(checkpoint, "dvae"), 4 * hiddens(seed, 1, SIZES.n_mels, frames) - 5
    x = mel / weights["coef"]
    x = F.gelu(F.conv1d(x, weights["downsample_conv.0.weight"], weights["downsample_conv.0.bias"], padding=1))
    x = F.gelu(F.conv1d(x, weights["downsample_conv.2.weight"], weights["downsample_conv.2.bias"], 2, padding=1))
    x = stack(weights, "encoder", SIZES.dvae_blocks, x)
    expected: list[Tensor] = []
    for group, part in enumerate(x.chunk(2, 1)):
        into = f"vq_layer.quantizer.rvqs.{group}.project_in"
        rest = 2.002 * F.linear(part.transpose(1, 2), weights[f"{into}.weight"], weights[f"{into}.bias"]).tanh()
        for scale in (1.0, 0.25):
            levels = (2.002 * (rest / scale).tanh()).round()
            expected.append(((levels.long() + 2) * torch.tensor([1, 5, 25, 125])).sum(-1))
            rest = rest - levels / 2 * scale
    found = Dvae(SIZES, weights, ResidualStart.BOUNDED).encode(mel, torch.tensor([frames]))
    # Equal but for a value that lies on the edge between two digits, of which there are none here.
    assert torch.equal(found, torch.stack(expected, 1))


@given(SEEDS, st.integers(1, 5), st.integers(1, 3), st.sampled_from([1, 2]), st.booleans())
def test_convolutions_are_those_of_torch(seed: int, width: int, dilation: int, stride: int, depthwise: bool) -> None:
    x, kernel = hiddens(seed, 2, 6, 12), hiddens(seed + 1, 6, 1 if depthwise else 6, width)
    weights = {"conv.weight": kernel, "conv.bias": hiddens(seed + 2, 6)}
    padding = dilation * (width // 2)
    found = Convolution(weights, "conv", padding, dilation, stride)(x.transpose(1, 2))
    expected = F.conv1d(x, kernel, weights["conv.bias"], stride, padding, dilation, 6 if depthwise else 1)
    assert found.is_contiguous()
    torch.testing.assert_close(found, expected.transpose(1, 2), rtol=0, atol=1e-4)


def test_frames_are_widened_in_slices_of_any_size(hidden: HiddenDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    x, lengths = hiddens(0, 3, SIZES.hidden, 9), torch.tensor([9, 4, 1])
    whole = hidden.decode(x, lengths)
    monkeypatch.setattr(layers, "SLICE", 7)
    torch.testing.assert_close(hidden.decode(x, lengths), whole, rtol=0, atol=1e-5)


# ------------------------------------------------------------------ rows alone, and among others


@few
@given(SEEDS, LENGTHS, st.integers(0, 2))
def test_hidden_states_among_others_decode_as_alone(
    hidden: HiddenDecoder, seed: int, lengths: list[int], more: int
) -> None:
    x = hiddens(seed, len(lengths), SIZES.hidden, max(lengths) + more)
    before = filled(x, lengths, torch.nan)
    mel = hidden.decode(before, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone = hidden.decode(x[row : row + 1, :, :length], torch.tensor([length]))
        torch.testing.assert_close(mel[row : row + 1, :, : 2 * length], alone, rtol=0, atol=1e-5)
        assert not mel[row, :, 2 * length :].any()
        assert before[row, :, length:].isnan().all()  # what was given is not changed


@few
@given(SEEDS, LENGTHS, st.sampled_from([-1, 625, 2**40]))
def test_codes_among_others_decode_as_alone(dvae: Dvae, seed: int, lengths: list[int], padding: int) -> None:
    x = codes(seed, len(lengths), SIZES.num_vq, max(lengths) + 1)
    mel = dvae.decode(filled(x, lengths, padding), torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone = dvae.decode(x[row : row + 1, :, :length], torch.tensor([length]))
        torch.testing.assert_close(mel[row : row + 1, :, : 2 * length], alone, rtol=0, atol=1e-5)
        assert not mel[row, :, 2 * length :].any()


@few
@given(SEEDS, st.lists(st.integers(2, 19), min_size=1, max_size=4), st.integers(0, 2))
def test_a_mel_among_others_has_its_codes_alone(dvae: Dvae, seed: int, lengths: list[int], more: int) -> None:
    mel = 4 * hiddens(seed, len(lengths), SIZES.n_mels, max(lengths) + more) - 5
    found = dvae.encode(filled(mel, lengths, torch.nan), torch.tensor(lengths))
    assert found.shape == (len(lengths), SIZES.num_vq, mel.shape[2] // 2)
    for row, length in enumerate(lengths):
        alone = dvae.encode(mel[row : row + 1, :, :length], torch.tensor([length]))
        assert alone.shape[2] == length // 2
        assert torch.equal(found[row : row + 1, :, : length // 2], alone)
        assert not found[row, :, length // 2 :].any()


def test_the_last_of_an_odd_number_of_frames_is_heard_in_the_step_before_it(dvae: Dvae) -> None:
    """The kernel that halves the rate is four frames wide."""
    mel = 4 * hiddens(0, 1, SIZES.n_mels, 9) - 5
    changed = mel.clone()
    changed[:, :, 8] += 20
    assert not torch.equal(dvae.encode(mel, torch.tensor([9])), dvae.encode(changed, torch.tensor([9])))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_the_result_is_in_the_dtype_of_the_weights(checkpoint: Checkpoint, dtype: torch.dtype) -> None:
    weights = checkpoint.load("decoder", "cpu", dtype)
    x, lengths = hiddens(0, 2, SIZES.hidden, 6), torch.tensor([6, 3])
    mel = HiddenDecoder(SIZES, weights).decode(x, lengths)
    assert mel.dtype == dtype
    exact = HiddenDecoder(SIZES, state(checkpoint, "decoder")).decode(x, lengths)
    torch.testing.assert_close(mel.float(), exact, rtol=0, atol=20 * torch.finfo(dtype).eps)


# ------------------------------------------------------------------ how far a step reaches


def reached(before: Tensor, after: Tensor) -> tuple[int, int]:
    """First and last frame that differ, of [1, n_mels, frames]."""
    differs = (before != after).any(1)[0].nonzero().flatten()
    return int(differs[0]), int(differs[-1])


def test_a_step_reaches_context_frames_and_no_further(hidden: HiddenDecoder, dvae: Dvae) -> None:
    lengths = torch.tensor([40])
    states, changed_states = hiddens(0, 1, SIZES.hidden, 40), hiddens(0, 1, SIZES.hidden, 40)
    changed_states[:, :, 20] += 10
    drawn, changed_codes = codes(0, 1, SIZES.num_vq, 40), codes(0, 1, SIZES.num_vq, 40)
    changed_codes[:, :, 20] = 624 - changed_codes[:, :, 20]
    for decoder, x, changed in ((hidden, states, changed_states), (dvae, drawn, changed_codes)):
        around = decoder.context_frames
        found = reached(decoder.decode(x, lengths), decoder.decode(changed, lengths))
        assert found == (40 - around, 41 + around)


def test_twelve_blocks_reach_75_frames(tmp_path: Path) -> None:
    """As many blocks as the published model has; their width does not matter."""
    sizes = replace(TINY, dvae_blocks=12, decoder_blocks=12)
    write_random(tmp_path, sizes, 0)
    deep = Checkpoint.open(tmp_path)
    assert HiddenDecoder(sizes, state(deep, "decoder")).context_frames == 75
    assert Dvae(sizes, state(deep, "dvae")).context_frames == 75


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([5, 0], "row 1 of the batch has length 0; allowed: 1 to 5"),
        ([6, 5], "row 0 of the batch has length 6; allowed: 1 to 5"),
        ([5, -3], "row 1 of the batch has length -3"),
        ([5], "1 lengths for 2 rows"),
        ([5, 5, 5], "3 lengths for 2 rows"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(
    hidden: HiddenDecoder, dvae: Dvae, lengths: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        hidden.decode(hiddens(0, 2, SIZES.hidden, 5), torch.tensor(lengths))
    with pytest.raises(ValueError, match=message):
        dvae.decode(codes(0, 2, SIZES.num_vq, 5), torch.tensor(lengths))


def test_a_batch_of_no_rows_is_refused(hidden: HiddenDecoder) -> None:
    with pytest.raises(ValueError, match="0 lengths for 0 rows; allowed: one for each of at least one row"):
        hidden.decode(hiddens(0, 0, SIZES.hidden, 5), torch.tensor([], dtype=torch.long))


def test_a_mel_of_one_frame_is_refused(dvae: Dvae) -> None:
    with pytest.raises(ValueError, match="row 0 of the batch has length 1; allowed: 2 to 5"):
        dvae.encode(hiddens(0, 1, SIZES.n_mels, 5), torch.tensor([1]))


@pytest.mark.parametrize(("code", "message"), [(625, "codes from 0 to 625"), (-1, "codes from -1 to 0")])
def test_a_code_outside_the_codebook_is_refused(dvae: Dvae, code: int, message: str) -> None:
    x = torch.zeros(2, SIZES.num_vq, 3, dtype=torch.long)
    x[1, 2, 1] = code
    with pytest.raises(ValueError, match=f"{message}; allowed: 0 to 624"):
        dvae.decode(x, torch.tensor([3, 2]))
    dvae.decode(x, torch.tensor([3, 1]))  # in padding it may be anything


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 2))
def test_padding_is_what_lies_behind_a_row(lengths: list[int], more: int) -> None:
    x = torch.ones(len(lengths), max(lengths) + more, 2)
    padding = padding_of(x, torch.tensor(lengths))
    assert (padding is None) == (min(lengths) == x.shape[1])
    assert cleared(x, padding).sum((1, 2)).tolist() == [2 * length for length in lengths]
    assert bool(x.all())
