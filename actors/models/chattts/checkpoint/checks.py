"""What a ChatTTS checkpoint must be: sizes from its configuration and headers, then every tensor against `layout`.

Pure: takes what was read and raises ModelError that names the file, the tensor and what to do. Guarantees that a
checkpoint which passes has every tensor that the model reads, in the shape that it expects. Looks at no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .....errors import ModelError
from .layout import (
    CONFIG_FILE,
    FULL,
    PART_FILES,
    RMS_NORM_EPS,
    ROPE_THETA,
    SPECIAL_TOKENS,
    Part,
    Sizes,
    tensors,
)
from .safetensors_file import TensorEntry

TensorHeaders = Mapping[str, Mapping[str, TensorEntry]]
CheckpointFiles = Mapping[str, Path]

ADVICE = "fetch the file again, or leave out model.path for the published weights"
_FIXED = {
    "hidden_act": "silu",
    "rms_norm_eps": RMS_NORM_EPS,
    "rope_theta": ROPE_THETA,
    "rope_scaling": None,
    "attention_bias": False,
    "mlp_bias": False,
    "num_audio_tokens": FULL.audio_vocab,
    "num_vq": FULL.num_vq,
}
_MOST = {
    "hidden_size": 2**14,
    "intermediate_size": 2**16,
    "num_hidden_layers": 512,
    "num_attention_heads": 512,
    "max_position_embeddings": 2**17,
}
"""What a configuration may claim: memory is taken by these numbers before a tensor is compared with them."""
_MOST_BLOCKS = 512
_STACK_ENTRY = "decoder.conv_in.2.weight"  # [hidden, bottleneck, kernel]


def sizes_of(config: object, headers: TensorHeaders, files: CheckpointFiles) -> Sizes:
    """The sizes of a checkpoint: the language model's from its config.json, the others from shapes.

    Raises:
        ModelError: For a configuration that is damaged or of another kind of model, and for a tensor that gives a size
            and is missing
    """
    where = files[CONFIG_FILE]
    if not isinstance(config, dict):
        raise ModelError(f"chattts: {where} is no configuration of a model; {ADVICE}")
    document: dict[str, Any] = config
    for key, value in _FIXED.items():
        if document.get(key, value) != value:
            raise ModelError(f"chattts: {where} has {key} {document[key]!r}, and the model here needs {value!r}")
    hidden, heads = _count(document, "hidden_size", where), _count(document, "num_attention_heads", where)
    if hidden % (2 * heads):
        raise ModelError(f"chattts: {where} has hidden_size {hidden}, which {heads} heads do not divide evenly")
    for key, value in (("num_key_value_heads", heads), ("head_dim", hidden // heads)):
        if document.get(key, value) != value:
            raise ModelError(f"chattts: {where} has {key} {document[key]!r}, and the model here needs {value}")
    read = _Shapes(headers, files)
    return Sizes(
        hidden=hidden,
        ffn=_count(document, "intermediate_size", where),
        num_layers=_count(document, "num_hidden_layers", where),
        num_heads=heads,
        max_positions=_count(document, "max_position_embeddings", where),
        text_vocab=read.dim("embed", "emb_text.weight", 0, at_least=len(SPECIAL_TOKENS) + 1),
        unused_vocab=read.dim("gpt", "embed_tokens.weight", 0),
        dvae_dim=read.dim("dvae", "encoder.conv_out.weight", 0),
        dvae_hidden=read.dim("dvae", _STACK_ENTRY, 0),
        dvae_bottleneck=read.dim("dvae", _STACK_ENTRY, 1),
        dvae_blocks=read.blocks("dvae", "decoder.decoder_block"),
        decoder_hidden=read.dim("decoder", _STACK_ENTRY, 0),
        decoder_bottleneck=read.dim("decoder", _STACK_ENTRY, 1),
        decoder_blocks=read.blocks("decoder", "decoder.decoder_block"),
        vocos_hidden=read.dim("vocos", "backbone.embed.weight", 0),
        vocos_ffn=read.dim("vocos", "backbone.convnext.0.pwconv1.weight", 0),
        vocos_blocks=read.blocks("vocos", "backbone.convnext"),
    )


class _Shapes:
    """Sizes read off the shapes of single tensors."""

    def __init__(self, headers: TensorHeaders, files: CheckpointFiles) -> None:
        self._headers, self._files = headers, files

    def dim(self, part: Part, name: str, axis: int, at_least: int = 1) -> int:
        file = PART_FILES[part]
        entry = self._headers[file].get(name)
        if entry is None:
            raise ModelError(f'chattts: {self._files[file]} lacks the tensor "{name}"; {ADVICE}')
        if len(entry.shape) <= axis or entry.shape[axis] < at_least:
            raise ModelError(f'chattts: {self._files[file]}: "{name}" has the shape {_spelled(entry.shape)}; {ADVICE}')
        return entry.shape[axis]

    def blocks(self, part: Part, prefix: str) -> int:
        """One more than the highest number: a gap shows as a missing tensor when all names are compared."""
        file = PART_FILES[part]
        found = (re.match(rf"{re.escape(prefix)}\.(\d+)\.", name) for name in self._headers[file])
        blocks = 1 + max((int(match[1][:9]) for match in found if match), default=0)
        if blocks > _MOST_BLOCKS:
            raise ModelError(f"chattts: {self._files[file]} numbers blocks of {prefix} up to {blocks - 1}; {ADVICE}")
        return blocks


def check_tensors(headers: TensorHeaders, sizes: Sizes, files: CheckpointFiles) -> None:
    """Raise ModelError unless every file has exactly the tensors of `layout.tensors(sizes)`, all float32."""
    for file, expected in tensors(sizes).items():
        found, path = headers[file], files[file]
        missing = [name for name in expected if name not in found]
        extra = [name for name in found if name not in expected]
        for names, what in ((missing, "lacks the tensor"), (extra, "has an unknown tensor")):
            if names:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                raise ModelError(f'chattts: {path} {what} "{names[0]}"{more}; {ADVICE}')
        for name, shape in expected.items():
            entry = found[name]
            if entry.shape != shape:
                what = f"the shape {_spelled(entry.shape)}, expected {_spelled(shape)}"
                raise ModelError(f'chattts: {path}: "{name}" has {what}; {ADVICE}')
            if entry.dtype != "F32":
                raise ModelError(f'chattts: {path}: "{name}" is {entry.dtype}, expected F32; save it as float32')


def check_tokenizer(document: object, sizes: Sizes, where: Path, model: str = "chattts") -> None:
    """Raise ModelError unless the special tokens have the last 50 ids, in order, and no id is beyond them."""
    try:
        ids: dict[str, int] = dict(document["model"]["vocab"])  # type: ignore[index]
        ids.update({token["content"]: token["id"] for token in document["added_tokens"]})  # type: ignore[index]
        highest = max(ids.values(), default=-1)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{model}: {where} is no tokenizer; {ADVICE}") from error
    for position, name in enumerate(SPECIAL_TOKENS):
        expected = sizes.first_special + position
        if ids.get(name) != expected:
            has = f"has {name} at {ids[name]}" if name in ids else f"lacks {name}"
            raise ModelError(f"{model}: {where} {has}, and the weights expect it at {expected}; {ADVICE}")
    if highest >= sizes.text_vocab:
        raise ModelError(f"{model}: {where} has ids up to {highest}, and the weights have {sizes.text_vocab}; {ADVICE}")


def _count(config: Mapping[str, Any], key: str, where: Path) -> int:
    value = config.get(key)
    if type(value) is not int or not 1 <= value <= _MOST[key]:
        found = f"{key} {value!r:.40}" if key in config else f"no {key}"
        raise ModelError(f"chattts: {where} has {found}, expected a whole number from 1 to {_MOST[key]}; {ADVICE}")
    return value


def _spelled(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"
