"""The sizes that the network's shapes follow from, as `config.json` beside the published weights has them.

Guarantees that a configuration of another architecture is refused with the key that differs. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VOCABULARY = 178
MAX_TOKENS = 512
"""With the pad at either end."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What may differ between networks of this architecture; the defaults are those of Kokoro-82M v1.0.

    Attributes:
        hidden: Channels of the text, the prosody and the decoder's input
        style: Numbers of a voice, and as many of its manner: a row of a voice's table has both
        durations: The most frames of a token at speed 1
        generator: Channels of the generator's input; half as many at 800 Hz, a quarter at 4,800 Hz
        bert, bert_heads, bert_inner, bert_layers: The encoder of phonemes, one layer's weights used `bert_layers` times
    """

    hidden: int = 512
    style: int = 128
    durations: int = 50
    generator: int = 512
    bert: int = 768
    bert_heads: int = 12
    bert_inner: int = 2048
    bert_layers: int = 12


FULL = Sizes()

_FIXED: Mapping[tuple[str, ...], object] = {
    ("n_token",): VOCABULARY,
    ("n_layer",): 3,
    ("text_encoder_kernel_size",): 5,
    ("plbert", "max_position_embeddings"): MAX_TOKENS,
    ("istftnet", "upsample_rates"): [10, 6],
    ("istftnet", "upsample_kernel_sizes"): [20, 12],
    ("istftnet", "gen_istft_n_fft"): 20,
    ("istftnet", "gen_istft_hop_size"): 5,
    ("istftnet", "resblock_kernel_sizes"): [3, 7, 11],
    ("istftnet", "resblock_dilation_sizes"): [[1, 3, 5]] * 3,
}
_READ: Mapping[str, tuple[str, ...]] = {
    "hidden": ("hidden_dim",),
    "style": ("style_dim",),
    "durations": ("max_dur",),
    "generator": ("istftnet", "upsample_initial_channel"),
    "bert": ("plbert", "hidden_size"),
    "bert_heads": ("plbert", "num_attention_heads"),
    "bert_inner": ("plbert", "intermediate_size"),
    "bert_layers": ("plbert", "num_hidden_layers"),
}


def sizes_of(config: object) -> Sizes:
    """The sizes in a `config.json` that was read.

    Raises:
        ValueError: It is of another network; the message names the key
    """
    for keys, expected in _FIXED.items():
        if (found := _get(config, keys)) != expected:
            raise ValueError(f"{'.'.join(keys)} is {found!r}, and this network has {expected!r}")
    values = {name: _get(config, keys) for name, keys in _READ.items()}
    sizes: dict[str, int] = {}
    for name, value in values.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"{'.'.join(_READ[name])} is {value!r}, and has to be a number of 1 or more")
        sizes[name] = value
    if sizes["hidden"] % 8 or sizes["generator"] % 4 or sizes["bert"] % sizes["bert_heads"]:
        raise ValueError("hidden_dim is no multiple of 8, or another size does not divide as it has to")
    return Sizes(**sizes)


def config_of(sizes: Sizes) -> dict[str, Any]:
    """What `config.json` has to hold for these sizes."""
    config: dict[str, Any] = {}
    values: dict[tuple[str, ...], object] = dict(_FIXED)
    values |= {keys: getattr(sizes, name) for name, keys in _READ.items()}
    for keys, value in values.items():
        inner = config.setdefault(keys[0], {}) if len(keys) == 2 else config
        inner[keys[-1]] = value
    return config


def _get(config: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config
