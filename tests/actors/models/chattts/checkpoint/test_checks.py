"""Sizes deduced, and every way in which a checkpoint can differ from its layout."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.chattts.checkpoint.checks import check_tensors, check_tokenizer, sizes_of
from speechmill.actors.models.chattts.checkpoint.layout import (
    CONFIG_FILE,
    FULL,
    PART_FILES,
    SPECIAL_TOKENS,
    TINY,
    TOKENIZER_FILE,
    Sizes,
    tensors,
)
from speechmill.actors.models.chattts.checkpoint.random_weights import config_json
from speechmill.actors.models.chattts.checkpoint.safetensors_file import TensorEntry
from speechmill.errors import ModelError

FILES = {file: Path("weights") / file for file in (*PART_FILES.values(), CONFIG_FILE, TOKENIZER_FILE)}
TENSORS = [(file, name) for file, shapes in tensors(TINY).items() for name in shapes]

count = st.integers(1, 5)
evens = st.integers(1, 40).map(lambda half: 2 * half)


@st.composite
def all_sizes(draw: st.DrawFn) -> Sizes:
    heads = draw(count)
    names = ["ffn", "num_layers", "max_positions", "unused_vocab", "dvae_hidden", "dvae_bottleneck", "dvae_blocks"]
    names += ["decoder_hidden", "decoder_bottleneck", "decoder_blocks", "vocos_hidden", "vocos_ffn", "vocos_blocks"]
    return Sizes(
        hidden=heads * draw(evens),
        num_heads=heads,
        text_vocab=draw(st.integers(51, 500)),
        dvae_dim=draw(evens),
        **{name: draw(count) for name in names},
    )


def headers_of(sizes: Sizes) -> dict[str, dict[str, TensorEntry]]:
    return {
        file: {name: TensorEntry("F32", shape) for name, shape in shapes.items()}
        for file, shapes in tensors(sizes).items()
    }


def checked(headers: dict[str, dict[str, TensorEntry]]) -> None:
    """Both checks, as opening a checkpoint makes them."""
    check_tensors(headers, sizes_of(json.loads(config_json(TINY)), headers, FILES), FILES)


@given(all_sizes())
def test_sizes_are_found_again_in_configuration_and_shapes(sizes: Sizes) -> None:
    headers = headers_of(sizes)
    assert sizes_of(json.loads(config_json(sizes)), headers, FILES) == sizes
    check_tensors(headers, sizes, FILES)


def test_the_full_sizes_are_found_again() -> None:
    assert sizes_of(json.loads(config_json(FULL)), headers_of(FULL), FILES) == FULL


# ------------------------------------------------------------------ tensors


@given(st.sampled_from(TENSORS))
def test_any_tensor_that_is_missing_is_named(tensor: tuple[str, str]) -> None:
    file, name = tensor
    headers = headers_of(TINY)
    del headers[file][name]
    with pytest.raises(ModelError) as caught:
        checked(headers)
    assert f'{FILES[file]} lacks the tensor "{name}";' in str(caught.value)


@given(st.sampled_from(TENSORS), st.data())
def test_any_other_shape_is_refused(tensor: tuple[str, str], data: st.DataObject) -> None:
    file, name = tensor
    headers = headers_of(TINY)
    shape = headers[file][name].shape
    other = data.draw(st.lists(st.integers(0, 1024), max_size=4).map(tuple).filter(lambda s: s != shape))
    headers[file][name] = TensorEntry("F32", other)
    # A shape that gives a size may be right where others are not; then one of those is named.
    with pytest.raises(ModelError, match="has the shape"):
        checked(headers)


@pytest.mark.parametrize("file", PART_FILES.values())
def test_the_message_about_a_shape_names_file_tensor_and_both_shapes(file: str) -> None:
    headers = headers_of(TINY)
    name = {"embed": "emb_code.3.weight", "vocos": "head.out.bias"}.get(Path(file).stem.lower())
    name = name or next(name for name in headers[file] if "norm.weight" in name)
    shape = headers[file][name].shape
    headers[file][name] = TensorEntry("F32", (7, 9))
    with pytest.raises(ModelError) as caught:
        check_tensors(headers, TINY, FILES)
    expected = "×".join(map(str, shape))
    assert f'{FILES[file]}: "{name}" has the shape 7×9, expected {expected}; ' in str(caught.value)


@given(st.sampled_from(TENSORS), st.sampled_from(["F16", "BF16", "F64", "I32"]))
def test_any_other_dtype_is_named(tensor: tuple[str, str], dtype: str) -> None:
    file, name = tensor
    headers = headers_of(TINY)
    headers[file][name] = replace(headers[file][name], dtype=dtype)
    with pytest.raises(ModelError) as caught:
        checked(headers)
    assert f'{FILES[file]}: "{name}" is {dtype}, expected F32; save it as float32' in str(caught.value)


@given(st.sampled_from(list(PART_FILES.values())), st.text(min_size=1).filter(lambda name: "." not in name))
def test_any_tensor_too_many_is_named(file: str, name: str) -> None:
    headers = headers_of(TINY)
    if name not in headers[file]:
        headers[file][name] = TensorEntry("F32", (1,))
        with pytest.raises(ModelError) as caught:
            checked(headers)
        assert f'{FILES[file]} has an unknown tensor "{name}";' in str(caught.value)


def test_a_layer_too_many_for_the_configuration_is_refused() -> None:
    with pytest.raises(ModelError, match=r'unknown tensor "layers\.2\.self_attn\.q_proj\.weight" and 8 more'):
        checked(headers_of(replace(TINY, num_layers=3)))


@pytest.mark.parametrize("part", ["dvae", "decoder", "vocos"])
def test_a_file_without_any_block_is_refused(part: str) -> None:
    headers = headers_of(TINY)
    file = PART_FILES[part]  # type: ignore[index]
    headers[file] = {n: e for n, e in headers[file].items() if "_block." not in n and "convnext." not in n}
    with pytest.raises(ModelError, match="lacks the tensor"):
        checked(headers)


@pytest.mark.parametrize("number", ["999999999", "9" * 400])
def test_a_number_of_blocks_that_would_fill_the_memory_is_refused(number: str) -> None:
    """One tensor whose name claims a billion blocks made a table of as many names."""
    headers = headers_of(TINY)
    headers[PART_FILES["vocos"]][f"backbone.convnext.{number}.gamma"] = TensorEntry("F32", (1,))
    with pytest.raises(ModelError, match=r"numbers blocks of backbone\.convnext up to 999999999"):
        checked(headers)


# ------------------------------------------------------------------ config.json


@pytest.mark.parametrize("config", [None, [], "x", 3, {}])
def test_a_configuration_that_is_none_is_refused(config: object) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        sizes_of(config, headers_of(TINY), FILES)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hidden_act", "gelu", r"has hidden_act 'gelu', and the model here needs 'silu'"),
        ("rms_norm_eps", 1e-5, r"has rms_norm_eps 1e-05, and the model here needs 1e-06"),
        ("rope_theta", 5e5, r"has rope_theta 500000\.0"),
        ("rope_scaling", {"factor": 2}, r"has rope_scaling \{'factor': 2\}, and the model here needs None"),
        ("attention_bias", True, r"has attention_bias True"),
        ("num_vq", 8, r"has num_vq 8, and the model here needs 4"),
        ("num_audio_tokens", 1026, r"has num_audio_tokens 1026, and the model here needs 626"),
        ("num_key_value_heads", 1, r"has num_key_value_heads 1, and the model here needs 2"),
        ("head_dim", 8, r"has head_dim 8, and the model here needs 16"),
        ("num_attention_heads", 3, r"hidden_size 32, which 3 heads do not divide evenly"),
        ("num_attention_heads", 32, r"hidden_size 32, which 32 heads do not divide evenly"),
        ("hidden_size", "32", r"has hidden_size '32', expected a whole number from 1"),
        ("hidden_size", True, r"has hidden_size True, expected"),
        ("num_hidden_layers", 0, r"has num_hidden_layers 0, expected"),
        ("intermediate_size", 1.5, r"has intermediate_size 1\.5, expected"),
        ("num_hidden_layers", 10**9, r"has num_hidden_layers 1000000000, expected a whole number from 1 to 512"),
        ("max_position_embeddings", 2**40, r"has max_position_embeddings 1099511627776, expected .* to 131072"),
    ],
)
def test_a_configuration_of_another_model_is_refused(key: str, value: object, message: str) -> None:
    config = json.loads(config_json(TINY)) | {key: value}
    with pytest.raises(ModelError, match=message):
        sizes_of(config, headers_of(TINY), FILES)


@pytest.mark.parametrize("key", ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"])
def test_a_configuration_without_a_size_is_refused(key: str) -> None:
    config = json.loads(config_json(TINY))
    del config[key]
    with pytest.raises(ModelError, match=f"has no {key}, expected a whole number from 1"):
        sizes_of(config, headers_of(TINY), FILES)


# ------------------------------------------------------------------ tokenizer.json


def tokenizer(specials: dict[str, int], **vocab: int) -> dict[str, Any]:
    return {
        "model": {"vocab": vocab},
        "added_tokens": [{"content": name, "id": number} for name, number in specials.items()],
    }


RIGHT = {name: TINY.first_special + place for place, name in enumerate(SPECIAL_TOKENS)}


@given(st.dictionaries(st.text(st.characters(categories=["Ll"]), min_size=1), st.integers(0, TINY.text_vocab - 1)))
def test_special_tokens_may_be_added_or_in_the_vocabulary(vocab: dict[str, int]) -> None:
    check_tokenizer(tokenizer(RIGHT, **vocab), TINY, FILES[TOKENIZER_FILE])
    check_tokenizer(tokenizer({}, **(vocab | RIGHT)), TINY, FILES[TOKENIZER_FILE])


@given(st.sampled_from(SPECIAL_TOKENS), st.integers(0, 2 * TINY.text_vocab))
def test_a_special_token_that_is_missing_or_elsewhere_is_named(name: str, elsewhere: int) -> None:
    without = {other: number for other, number in RIGHT.items() if other != name}
    with pytest.raises(ModelError) as caught:
        check_tokenizer(tokenizer(without), TINY, FILES[TOKENIZER_FILE])
    assert f"{FILES[TOKENIZER_FILE]} lacks {name}, and the weights expect it at {RIGHT[name]}" in str(caught.value)
    if elsewhere != RIGHT[name]:
        with pytest.raises(ModelError) as caught:
            check_tokenizer(tokenizer(RIGHT | {name: elsewhere}), TINY, FILES[TOKENIZER_FILE])
        assert f"has {name} at {elsewhere}, and the weights expect it at {RIGHT[name]}" in str(caught.value)


def test_an_id_that_has_no_embedding_is_refused() -> None:
    with pytest.raises(ModelError, match="has ids up to 512, and the weights have 512"):
        check_tokenizer(tokenizer(RIGHT, word=TINY.text_vocab), TINY, FILES[TOKENIZER_FILE])


@pytest.mark.parametrize(
    "document", [None, [], {}, {"model": {}}, {"model": {"vocab": 3}}, {"model": {"vocab": {}}, "added_tokens": [{}]}]
)
def test_a_document_that_is_no_tokenizer_is_refused(document: object) -> None:
    with pytest.raises(ModelError, match="is no tokenizer"):
        check_tokenizer(document, TINY, FILES[TOKENIZER_FILE])
