"""What the speech part of a checkpoint must be: sizes from its configuration and headers, then every tensor. Pure.

Raises ModelError that names the file, the tensor and what to do. Guaranteed: a checkpoint that passes has every tensor
that the model reads, in the shape that it expects. Keys that the configuration leaves out have the values of the
published class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from .....errors import ModelError
from ...chattts.checkpoint.layout import EOS_CODE, RMS_NORM_EPS, ROPE_THETA, Sizes, token_id
from ...chattts.checkpoint.safetensors_file import TensorEntry
from ..text_schedule import TextSchedule
from .layout import FULL, MinicpmoSizes, SpeechPart, names, tensors

REPOSITORY = "openbmb/MiniCPM-o-2_6"
ADVICE = f"fetch it again from {REPOSITORY}"
DTYPES = ("F32", "BF16", "F16")
_FIXED: Mapping[str, object] = {
    "num_vq": FULL.network.num_vq,
    "num_audio_tokens": EOS_CODE + 1,
    "use_speaker_embedding": True,
    "num_spk_embs": 1,
    "use_llm_hidden_state": False,
    "use_mlp": True,
    "rms_norm_eps": RMS_NORM_EPS,
    "rope_theta": ROPE_THETA,
}
_TOKENS = {"spk_emb_token_id": "[spk_emb]", "audio_bos_token_id": "[Ptts]", "text_eos_token_id": "[Etts]"}
_COUNTS = {
    "hidden_size": (FULL.network.hidden, 2**14),
    "intermediate_size": (FULL.network.ffn, 2**16),
    "num_hidden_layers": (FULL.network.num_layers, 512),
    "num_attention_heads": (FULL.network.num_heads, 512),
    "max_position_embeddings": (FULL.network.max_positions, 2**17),
    "streaming_text_reserved_len": (FULL.schedule.reserved, 2**14),
    "streaming_text_chunk_size": (FULL.schedule.text_chunk, 2**10),
    "streaming_audio_chunk_size": (FULL.schedule.audio_chunk, 2**10),
}
"""Each with its value where it is left out, and the most that it may claim before memory is taken by it."""
_MOST_BLOCKS = 512


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor is: its name in the checkpoint, its file, and what the file's header says of it."""

    name: str
    file: Path
    entry: TensorEntry


Find = Callable[[tuple[str, ...]], TensorPlace | None]
"""The place of a tensor by the names that it may have; None if there is none."""


def speech_config(document: object, where: Path) -> Mapping[str, Any]:
    """The part of a config.json that is for speech.

    Raises:
        ModelError: There is none, or it is of a model that is not implemented here
    """
    found = cast("dict[str, Any]", document).get("tts_config") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise ModelError(f"minicpmo: {where} has no tts_config: it is not the one of {REPOSITORY}")
    config = cast("dict[str, Any]", found)
    kind = config.get("model_type", "conditional_chattts")
    if kind != "conditional_chattts":
        raise ModelError(
            f"minicpmo: {where} has a tts_config of the kind {kind!r:.40}; implemented is conditional_chattts, which "
            f"{REPOSITORY} has (4.5 and later speak in another way)"
        )
    for key, value in _FIXED.items():
        if config.get(key, value) != value:
            raise ModelError(f"minicpmo: {where} has {key} {config[key]!r:.40}, and the model here needs {value!r}")
    return config


def sizes_of(config: Mapping[str, Any], where: Path, find: Find) -> MinicpmoSizes:
    """The sizes of a checkpoint: the language model's from its configuration, the others from shapes.

    Raises:
        ModelError: For a configuration with impossible values, or a tensor that gives a size and is missing
    """
    count = {key: _count(config, key, where) for key in _COUNTS}
    hidden, heads = count["hidden_size"], count["num_attention_heads"]
    if hidden % (2 * heads):
        raise ModelError(f"minicpmo: {where} has hidden_size {hidden}, which {heads} heads do not divide evenly")
    text_vocab = _dim(find, where, "embed", "emb_text.weight", 0)
    group_dim = _dim(find, where, "dvae", "vq_layer.quantizer.rvqs.0.project_out.weight", 0)
    network = Sizes(
        hidden=hidden,
        ffn=count["intermediate_size"],
        num_layers=count["num_hidden_layers"],
        num_heads=heads,
        max_positions=count["max_position_embeddings"],
        text_vocab=text_vocab,
        dvae_dim=FULL.network.vq_groups * group_dim,
        dvae_hidden=_dim(find, where, "dvae", "decoder.conv_in.2.weight", 0),
        dvae_bottleneck=_dim(find, where, "dvae", "decoder.conv_in.2.weight", 1),
        dvae_blocks=_blocks(find),
    )
    schedule = TextSchedule(*(count[key] for key in _COUNTS if key.startswith("streaming")))
    sizes = MinicpmoSizes(network, _dim(find, where, "projector", "linear1.weight", 1), schedule)
    for key, name in _TOKENS.items():
        if config.get(key, token_id(name, network)) != token_id(name, network):
            raise ModelError(
                f"minicpmo: {where} has {key} {config[key]!r:.40}, and with {text_vocab} text tokens {name} is "
                f"{token_id(name, network)}; {ADVICE}"
            )
    return sizes


def check_tensors(sizes: MinicpmoSizes, where: Path, find: Find) -> Mapping[SpeechPart, Mapping[str, TensorPlace]]:
    """Part → tensor name → place, of all that is read.

    Raises:
        ModelError: A tensor is missing, or has another shape or number format
    """
    found: dict[SpeechPart, dict[str, TensorPlace]] = {}
    for part, shapes in tensors(sizes).items():
        found[part] = {}
        for name, shape in shapes.items():
            place = _found(find, where, part, name)
            if place.entry.shape != shape:
                what = f"the shape {_spelled(place.entry.shape)}, expected {_spelled(shape)}"
                raise ModelError(f'minicpmo: {place.file}: "{place.name}" has {what}; {ADVICE}')
            if place.entry.dtype not in DTYPES:
                raise ModelError(
                    f'minicpmo: {place.file}: "{place.name}" is {place.entry.dtype}; readable are {", ".join(DTYPES)}'
                )
            found[part][name] = place
    return found


def _found(find: Find, where: Path, part: SpeechPart, name: str) -> TensorPlace:
    place = find(names(part, name))
    if place is None:
        raise ModelError(f'minicpmo: {where.parent} lacks the tensor "{names(part, name)[0]}"; {ADVICE}')
    return place


def _dim(find: Find, where: Path, part: SpeechPart, name: str, axis: int) -> int:
    place = _found(find, where, part, name)
    if len(place.entry.shape) <= axis or place.entry.shape[axis] < 1:
        raise ModelError(
            f'minicpmo: {place.file}: "{place.name}" has the shape {_spelled(place.entry.shape)}; {ADVICE}'
        )
    return place.entry.shape[axis]


def _blocks(find: Find) -> int:
    """The number of blocks of the DVAE's decoder."""
    for number in range(_MOST_BLOCKS):
        if find(names("dvae", f"decoder.decoder_block.{number}.dwconv.weight")) is None:
            return number
    return _MOST_BLOCKS


def _count(config: Mapping[str, Any], key: str, where: Path) -> int:
    default, most = _COUNTS[key]
    value = config.get(key, default)
    if type(value) is not int or not 1 <= value <= most:
        raise ModelError(
            f"minicpmo: {where} has {key} {value!r:.40}, expected a whole number from 1 to {most}; {ADVICE}"
        )
    return value


def vocoder_sizes(network: Sizes, shapes: Mapping[str, tuple[int, ...]], where: Path) -> Sizes:
    """The sizes, with those of a vocoder's tensors.

    Raises:
        ModelError: A tensor that gives a size is missing
    """
    numbers = [int(match[1][:9]) for name in shapes if (match := re.match(r"backbone\.convnext\.(\d+)\.", name))]
    widths: list[int] = []
    for name in ("backbone.embed.weight", "backbone.convnext.0.pwconv1.weight"):
        if not shapes.get(name):
            raise ModelError(f'minicpmo: {where} lacks the tensor "{name}"; {ADVICE}')
        widths.append(shapes[name][0])
    blocks = min(1 + max(numbers), _MOST_BLOCKS)
    return replace(network, vocos_hidden=widths[0], vocos_ffn=widths[1], vocos_blocks=blocks)


def _spelled(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"
