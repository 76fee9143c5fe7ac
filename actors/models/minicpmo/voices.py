"""The voice that a row names, as numbers: a stored vector, or one that is drawn from a seed.

A stored vector is the hidden state of the large language model at its speaker token (3,584 numbers in MiniCPM-o 2.6),
or what the projector makes of it (768 numbers); which of them it is, its length tells. A voice depends on its name, on
the row's seed if it is drawn from that, and on nothing else. Not known here: how a drawn vector sounds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelError, RowError, RowRejected, did_you_mean
from ..chattts.checkpoint.safetensors_file import read_header
from ..chattts.voices.speaker import sampled
from ..voice_reference import SeededVoice, VectorVoice, VoiceReference, decode_vector, parse_voice
from .checkpoint.layout import MinicpmoSizes
from .options import MinicpmoOptions

Vector = NDArray[np.float32]
_MOST_VOICES = 4_096
_NPY_HEADER_BYTES = 4_096


class MinicpmoVoices:
    """All voices of one configuration."""

    def __init__(self, options: MinicpmoOptions, sizes: MinicpmoSizes) -> None:
        """Read the voices that are stored.

        Raises:
            ModelError: A file is missing or damaged, or a vector has another size
        """
        self._hidden, self._widths = sizes.network.hidden, (sizes.llm_dim, sizes.network.hidden)
        self._voices: dict[str, Vector | VoiceReference] = {}
        if options.voice_file:
            self._voices |= _read_voice_file(Path(options.voice_file), self._widths)
        for name, voice in options.voices.items():
            where = f"model.options.voices.{name}.speaker"
            self._voices[name] = self._stored(voice.vector, where) if isinstance(voice, VectorVoice) else voice

    @property
    def names(self) -> tuple[str, ...]:
        """Voices that have a name."""
        return tuple(sorted(self._voices))

    @property
    def digest(self) -> str:
        """A digest of all stored vectors and their names, in hexadecimal."""
        digest = hashlib.sha256()
        for name in self.names:
            voice = self._voices[name]
            digest.update(f"{name}\0".encode())
            digest.update(voice.tobytes() if isinstance(voice, np.ndarray) else repr(voice).encode())
        return digest.hexdigest()

    def check(self, voice: str) -> None:
        """Raise RowRejected if a row's voice is none."""
        self.vector(voice, 0)

    def vector(self, voice: str, row_seed: int) -> Vector:
        """float32 of either length, for a row's voice.

        Args:
            voice: A name, "seed:N" or "vector:…"; "" and "by_seed" for a voice drawn from the row's seed
            row_seed: The row's own seed

        Raises:
            RowRejected: There is no such voice
        """
        found = self._voices.get(voice) if voice else None
        if isinstance(found, np.ndarray):
            return found
        reference = found or parse_voice(voice or "by_seed")
        match reference:
            case VectorVoice(vector):
                return _of_text(vector, self._widths)
            case SeededVoice(seed):
                return self._drawn(seed)
            case _ if voice in ("", "by_seed"):
                return self._drawn(row_seed)
            case _:
                hint = did_you_mean(voice, self._voices) if self._voices else "the job names no voices."
                raise RowRejected(f'voice "{voice:.80}" is not a voice of this job, nor "seed:" and a number: {hint}')

    def _drawn(self, seed: int) -> Vector:
        """A direction of equal chance, float32 [hidden]; its length is made 1 later, as that of all voices."""
        return sampled(seed, self._hidden).astype(np.float32)

    def _stored(self, speaker: str, where: str) -> Vector:
        if speaker.startswith("vector:"):
            try:
                return _of_text(speaker, self._widths)
            except RowError as error:
                raise ModelError(f"{where}: {error}") from error
        return _read_npy(Path(speaker[-1_000:]), where, self._widths)


def _of_text(vector: str, widths: tuple[int, int]) -> Vector:
    """The numbers of a "vector:…" of either length.

    Raises:
        RowRejected: It is damaged or of another length
    """
    num_numbers = len(vector.removeprefix("vector:")) * 3 // 16
    width = min(widths, key=lambda width: abs(width - num_numbers))
    return _checked(decode_vector(vector, width), "the voice's vector", widths, RowRejected)


def _read_npy(file: Path, where: str, widths: tuple[int, int]) -> Vector:
    try:
        if file.suffix != ".npy":
            raise ValueError('it is neither "vector:…" nor a file .npy')
        if file.stat().st_size > 8 * max(widths) + _NPY_HEADER_BYTES:
            raise ValueError("it is larger than one vector")
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(f"{where}: {str(file)[:200]} holds no voice: {error}") from error
    return _checked(np.asarray(found), f"{where}: {file}", widths, ModelError)


def _read_voice_file(file: Path, widths: tuple[int, int]) -> Mapping[str, Vector]:
    from safetensors import SafetensorError, safe_open

    where = f"model.options.voice_file: {file}"
    try:
        header = read_header(file)
        if len(header) > _MOST_VOICES:
            raise ValueError(f"it has {len(header):,} tensors, where at most {_MOST_VOICES:,} voices are expected")
        with safe_open(file, framework="np") as opened:
            if large := [name for name, entry in header.items() if math.prod(entry.shape) not in widths]:
                raise ValueError(f'"{large[0]:.80}" is no vector of {widths[0]} or {widths[1]} numbers')
            return {name: _checked(opened.get_tensor(name), f"{where}: {name}", widths, ModelError) for name in header}
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise ModelError(f"{where} cannot be read: {error}") from error


def _checked(values: NDArray[np.generic], what: str, widths: tuple[int, int], error: type[Exception]) -> Vector:
    """The vector, float32 [width].

    Raises:
        Exception: `error`, if it has another size, no direction, or a number that is not finite
    """
    flat = values.reshape(-1)
    if len(flat) not in widths or flat.dtype.kind != "f":
        raise error(
            f"{what} has {len(flat)} numbers of {flat.dtype}; a voice has {widths[0]} (before the projector) or "
            f"{widths[1]} (behind it), as floats"
        )
    vector = flat.astype(np.float32)
    if not np.isfinite(vector).all() or not vector.any():
        raise error(f"{what} holds a number that is not finite, or zeros alone: it is damaged")
    return vector
