"""The layout of a checkpoint, held against the counts of the published one."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.chattts.checkpoint.layout import (
    EOS_CODE,
    FULL,
    PART_FILES,
    SPECIAL_TOKENS,
    TINY,
    Part,
    Sizes,
    tensors,
    token_id,
)
from speechmill.actors.models.chattts.checkpoint.published import PUBLISHED
from speechmill.actors.models.chattts.checkpoint.safetensors_file import header_bytes

few = st.integers(1, 4)
any_sizes = st.builds(
    Sizes, num_layers=few, dvae_blocks=few, decoder_blocks=few, vocos_blocks=few, text_vocab=st.integers(51, 500)
)


def counts(sizes: Sizes, part: Part) -> tuple[int, int]:
    """Number of tensors, and of numbers in them."""
    shapes = tensors(sizes)[PART_FILES[part]]
    return len(shapes), sum(math.prod(shape) for shape in shapes.values())


@pytest.mark.parametrize(
    ("part", "num_tensors", "numel"),
    [
        ("gpt", 182, 213_351_168),
        ("embed", 15, 36_399_234),
        ("dvae", 242, 15_083_472),
        ("decoder", 115, 25_920_740),
        ("vocos", 83, 13_584_998),
    ],
)
def test_the_full_layout_has_the_published_counts(part: Part, num_tensors: int, numel: int) -> None:
    assert counts(FULL, part) == (num_tensors, numel)


@pytest.mark.parametrize("part", PART_FILES)
def test_a_file_of_the_full_layout_has_the_published_length(part: Part) -> None:
    """To the byte, header included: so the length of all names together is right, too."""
    file = PART_FILES[part]
    metadata = {"format": "pt"} if part == "gpt" else None
    assert len(header_bytes(tensors(FULL)[file], metadata)) + 4 * counts(FULL, part)[1] == PUBLISHED[file].num_bytes


@pytest.mark.parametrize(
    ("part", "name", "shape"),
    [
        ("gpt", "embed_tokens.weight", (32000, 768)),
        ("gpt", "layers.19.mlp.down_proj.weight", (768, 3072)),
        ("embed", "head_code.3.parametrizations.weight.original0", (626, 1)),
        ("dvae", "downsample_conv.2.weight", (512, 512, 4)),
        ("dvae", "encoder.conv_out.weight", (1024, 256, 1)),
        ("dvae", "decoder.decoder_block.11.pwconv1.weight", (1024, 256)),
        ("dvae", "vq_layer.quantizer.rvqs.1.project_in.weight", (4, 512)),
        ("decoder", "decoder.conv_in.0.weight", (128, 384, 3)),
        ("decoder", "out_conv.weight", (100, 384, 3)),
        ("vocos", "backbone.convnext.7.gamma", (512,)),
        ("vocos", "head.out.weight", (1026, 512)),
    ],
)
def test_shapes_of_the_full_layout(part: Part, name: str, shape: tuple[int, ...]) -> None:
    assert tensors(FULL)[PART_FILES[part]][name] == shape


@given(any_sizes, st.sampled_from(["num_layers", "dvae_blocks", "decoder_blocks", "vocos_blocks"]))
def test_a_layer_adds_as_many_tensors_as_every_other(sizes: Sizes, field: str) -> None:
    """Nine, whether it is of the language model or a block; and the DVAE has two stacks of blocks."""
    more = replace(sizes, **{field: getattr(sizes, field) + 1})
    added = {
        part: counts(more, part)[0] - counts(sizes, part)[0]
        for part in PART_FILES
        if counts(more, part) != counts(sizes, part)
    }
    expected: dict[str, tuple[Part, int]] = {
        "num_layers": ("gpt", 9),
        "dvae_blocks": ("dvae", 18),
        "decoder_blocks": ("decoder", 9),
        "vocos_blocks": ("vocos", 9),
    }
    part, count = expected[field]
    assert added == {part: count}


def test_tiny_keeps_what_lengths_and_codes_depend_on() -> None:
    for field in ("hop", "n_fft", "n_mels", "num_vq", "audio_vocab", "step_samples", "max_positions"):
        assert getattr(TINY, field) == getattr(FULL, field)
    assert tensors(TINY).keys() == tensors(FULL).keys()
    assert sum(counts(TINY, part)[1] for part in PART_FILES) < 1_000_000


def test_derived_sizes() -> None:
    assert (FULL.head_dim, FULL.num_vq, FULL.audio_vocab, FULL.num_bins, FULL.step_samples) == (64, 4, 626, 513, 512)
    assert (FULL.group_dim, FULL.dvae_frame_dim, FULL.decoder_frame_dim) == (512, 512, 384)
    assert FULL.audio_vocab - 1 == EOS_CODE


@given(any_sizes)
def test_the_special_tokens_are_the_last_ids(sizes: Sizes) -> None:
    ids = [token_id(name, sizes) for name in SPECIAL_TOKENS]
    assert ids == list(range(sizes.text_vocab - 50, sizes.text_vocab))
    assert sizes.first_special == ids[0]


def test_the_published_ids_of_special_tokens() -> None:
    names = ["[Sasr]", "[Stts]", "[Ptts]", "[Etts]", "[Sbreak]", "[Pbreak]", "[Ebreak]", "[spk_emb]", "[empty_spk]"]
    ids = [21128, 21131, 21132, 21133, 21134, 21135, 21136, 21143, 21144]
    assert [token_id(name, FULL) for name in names] == ids
    assert [token_id(name, FULL) for name in ("[break_0]", "[speed_5]", "[speed_9]")] == [21147, 21173, 21177]
    assert len(set(SPECIAL_TOKENS)) == 50


def test_an_unknown_special_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Stss.*not a special token"):
        token_id("[Stss]", FULL)
