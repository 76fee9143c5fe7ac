"""Checkpoints of random weights in the published shapes, for tests, for measuring speed, and where no weights may go.

Guarantees the same bytes for the same sizes and seed, except that the last bit of windows and mel filters is torch's.
No tensor can be left out without being noticed: norms, biases and scales are random, too, around what keeps activations
near 1. What such a model says is noise; only its shapes, mel filters and windows are real.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....errors import ModelError
from .layout import (
    CONFIG_FILE,
    PART_FILES,
    RMS_NORM_EPS,
    ROPE_THETA,
    SAMPLE_RATE,
    TOKENIZER_FILE,
    Sizes,
    TensorShape,
    tensors,
)
from .random_tokenizer import tokenizer_json
from .safetensors_file import write_tensors

_METADATA = {PART_FILES["gpt"]: {"format": "pt"}}


def write_random(folder: Path, sizes: Sizes, seed: int) -> None:
    """Write a checkpoint's seven files into a folder, made if it is not there.

    Raises:
        ModelError: If one of them is there already, or cannot be written
    """
    there = [file for file in (*PART_FILES.values(), CONFIG_FILE, TOKENIZER_FILE) if (folder / file).exists()]
    if there:
        raise ModelError(f"chattts: {folder / there[0]} is there already; name an empty folder")
    try:
        for file, shapes in tensors(sizes).items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            draw = RandomTensors(seed, file, sizes)
            write_tensors(folder / file, shapes, draw.values, _METADATA.get(file))
        (folder / TOKENIZER_FILE).parent.mkdir(parents=True, exist_ok=True)
        (folder / TOKENIZER_FILE).write_bytes(tokenizer_json(sizes).encode())
        (folder / CONFIG_FILE).write_bytes(config_json(sizes).encode())
    except OSError as error:
        raise ModelError(f"chattts: {folder} cannot be written: {error}") from error


def config_json(sizes: Sizes) -> str:
    """The config.json of the language model: what `checks.sizes_of` reads, and what a reader of Llama models needs."""
    config = {
        "architectures": ["LlamaModel"],
        "hidden_act": "silu",
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.ffn,
        "max_position_embeddings": sizes.max_positions,
        "model_type": "llama",
        "num_attention_heads": sizes.num_heads,
        "num_audio_tokens": sizes.audio_vocab,
        "num_hidden_layers": sizes.num_layers,
        "num_key_value_heads": sizes.num_heads,
        "num_text_tokens": sizes.text_vocab,
        "num_vq": sizes.num_vq,
        "rms_norm_eps": RMS_NORM_EPS,
        "rope_theta": ROPE_THETA,
        "torch_dtype": "float32",
        "vocab_size": sizes.unused_vocab,
    }
    return json.dumps(config, indent=2) + "\n"


class RandomTensors:
    """The values of one file's tensors; each tensor has a stream of its own, so that none depends on another's size.

    Args:
        file: A name that tells this file's values from another's
    """

    def __init__(self, seed: int, file: str, sizes: Sizes) -> None:
        self._seed, self._file, self._sizes = seed, file, sizes

    def values(self, name: str, shape: TensorShape) -> NDArray[np.float32]:
        """float32 of the shape: uniform, around what the tensor does."""
        if name.endswith("window"):
            return _window(self._sizes)
        if name.endswith("mel_scale.fb"):
            return _mel_filters(self._sizes)
        mean, std = _distribution(name, shape)
        noise = self._uniform(name, math.prod(shape)).reshape(shape)
        return np.float32(mean) + np.float32(std * math.sqrt(12)) * noise

    def _uniform(self, name: str, count: int) -> NDArray[np.float32]:
        """Uniform in [-0.5, 0.5), from the raw counter-based stream: its bits are the same in every numpy."""
        key = hashlib.blake2b(f"{self._seed}/{self._file}/{name}".encode(), digest_size=16).digest()
        raw = np.random.Philox(key=int.from_bytes(key, "little")).random_raw((count + 1) // 2)
        bits = np.asarray(raw, "<u8").view("<u4")[:count]
        return (bits >> np.uint32(8)).astype(np.float32) * np.float32(2**-24) - np.float32(0.5)


def _distribution(name: str, shape: TensorShape) -> tuple[float, float]:
    """Mean and standard deviation."""
    if name == "coef" or name.endswith("original0"):
        return 1.0, 0.2
    if name.endswith("norm.weight"):
        return 1.0, 0.1
    if name.endswith(".bias"):
        return 0.0, 0.02
    if len(shape) == 1:  # layer scale
        return 0.1, 0.02
    # What goes in has a standard deviation near 1, and so has what comes out.
    return 0.0, 1 / math.sqrt(math.prod(shape[1:]))


def _window(sizes: Sizes) -> NDArray[np.float32]:
    import torch

    return torch.hann_window(sizes.n_fft).numpy()


def _mel_filters(sizes: Sizes) -> NDArray[np.float32]:
    """HTK mel filters as torchaudio makes them, float32 [num_bins, n_mels], from 0 Hz to half the sample rate."""
    from torchaudio.functional import melscale_fbanks

    return melscale_fbanks(sizes.num_bins, 0.0, SAMPLE_RATE / 2, sizes.n_mels, SAMPLE_RATE).numpy()
