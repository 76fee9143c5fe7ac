"""Checkpoints of random weights in the published shapes, for tests, for measuring speed, and where no weights may go.

Guarantees the same bytes for the same sizes and seed, except that the last bit of windows and mel filters is torch's.
No tensor can be left out without being noticed: norms, biases and gates are random, too, around what keeps activations
near 1. What such a model says is noise; only windows, mel filters, frequencies and the first tokens are real.
"""

from __future__ import annotations

import hashlib
import math
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....errors import ModelError
from ...chattts.checkpoint.layout import SAMPLE_RATE
from ...chattts.checkpoint.safetensors_file import write_tensors
from .layout import PREFIX, F5Sizes, TensorShape, VocoderSizes, network_tensors, vocoder_tensors
from .published import VOCABULARY_FILE, WEIGHTS_FILE
from .weights import VOCODER_NAMES

ROPE_THETA = 10_000.0
_INITIALS = (
    *("", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "zh", "ch", "sh", "r", "z", "c", "s"),
    *("y", "w"),
)
_FINALS = (
    *("a", "o", "e", "i", "u", "v", "ai", "ei", "ao", "ou", "an", "en", "ang", "eng", "ong", "er", "ia", "ie", "iao"),
    *("iu", "ian", "in", "iang", "ing", "iong", "ua", "uo", "uai", "ui", "uan", "un"),
)


def write_random(folder: Path, sizes: F5Sizes, vocoder: VocoderSizes, seed: int) -> None:
    """Write a checkpoint's three files into a folder, made if it is not there.

    Raises:
        ModelError: If one of them is there already, or cannot be written
    """
    network, vocabulary, sound = Path(WEIGHTS_FILE).name, Path(VOCABULARY_FILE).name, VOCODER_NAMES[0]
    there = [file for file in (network, vocabulary, sound) if (folder / file).exists()]
    if there:
        raise ModelError(f"f5tts: {folder / there[0]} is there already; name an empty folder")
    try:
        (folder / sound).parent.mkdir(parents=True, exist_ok=True)
        (folder / vocabulary).write_bytes("".join(f"{token}\n" for token in random_vocabulary(sizes.vocab)).encode())
        shapes = {PREFIX + name: shape for name, shape in network_tensors(sizes).items()}
        write_tensors(folder / network, shapes, _Draw(seed, network, sizes, vocoder).values)
        write_tensors(folder / sound, vocoder_tensors(vocoder), _Draw(seed, sound, sizes, vocoder).values)
    except OSError as error:
        raise ModelError(f"f5tts: {folder} cannot be written: {error}") from error


def random_vocabulary(size: int) -> list[str]:
    """So many tokens: the space, all of ASCII, marks of Chinese, then syllables with their tones."""
    tokens = [" ", *map(chr, range(33, 127)), *"，。！？；：、…—“”《》（）·"]
    tokens += [f"{initial}{final}{tone}" for tone, initial, final in product(range(1, 6), _INITIALS, _FINALS)]
    return tokens[:size]


class _Draw:
    """The values of one file's tensors; each tensor has a stream of its own, so that none depends on another's size."""

    def __init__(self, seed: int, file: str, sizes: F5Sizes, vocoder: VocoderSizes) -> None:
        self._seed, self._file, self._sizes, self._vocoder = seed, file, sizes, vocoder

    def values(self, name: str, shape: TensorShape) -> NDArray[np.float32]:
        """float32 of the shape: uniform, around what the tensor does."""
        if name.endswith("window"):
            return _window(self._vocoder.n_fft)
        if name.endswith("mel_scale.fb"):
            return _mel_filters(self._vocoder)
        if name.endswith("inv_freq"):
            powers = np.arange(0, self._sizes.head_dim, 2) / self._sizes.head_dim
            return (ROPE_THETA**-powers).astype(np.float32)
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
    if name.endswith(("norm.weight", "norm_out.weight")):
        return 1.0, 0.1
    if name.endswith((".bias", "grn.gamma", "grn.beta")):
        return 0.0, 0.02
    if name.endswith("gamma"):  # layer scale of the vocoder
        return 0.1, 0.02
    if name.endswith("text_embed.weight"):
        return 0.0, 1.0
    # What goes in has a standard deviation near 1, and so has what comes out; gates and scales stay below it.
    gain = 0.3 if name.endswith(("attn_norm.linear.weight", "norm_out.linear.weight")) else 1.0
    return 0.0, gain / math.sqrt(math.prod(shape[1:]))


def _window(size: int) -> NDArray[np.float32]:
    import torch

    return torch.hann_window(size).numpy()


def _mel_filters(sizes: VocoderSizes) -> NDArray[np.float32]:
    """HTK mel filters as torchaudio makes them, float32 [num_bins, n_mels], from 0 Hz to half the sample rate."""
    from torchaudio.functional import melscale_fbanks

    return melscale_fbanks(sizes.num_bins, 0.0, SAMPLE_RATE / 2, sizes.n_mels, SAMPLE_RATE).numpy()
