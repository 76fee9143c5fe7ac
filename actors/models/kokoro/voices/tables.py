"""The tables of voices: a style for each number of phonemes, in files of the hub (.pt), npm (.bin) or PyPI (.npz).

Guarantees a table of the right shape and finite numbers, or ModelError with the file's name. Finding files imports no
torch. A style is a voice (what the decoder hears of it) and then its manner (what durations, pitch and energy follow).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....errors import ModelError
from ...file_digests import sha256
from ..checkpoint.published import DEMO_VOICES
from .names import LANGUAGES

ROWS = 510
"""Rows of a table: texts of 1 to 510 phonemes."""

Table = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VoiceFiles:
    """Voices by name, and the file of each; `digest` is one of all files, in hexadecimal."""

    paths: Mapping[str, Path]
    digest: str

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the alphabet."""
        return tuple(sorted(self.paths))

    def table(self, name: str, style: int) -> Table:
        """float32 [510, 2 * style] of a voice.

        Raises:
            ModelError: A file is missing or damaged; the message names it
        """
        path = self.paths[name]
        try:
            table = _read(path, name)
            if table.size != ROWS * 2 * style:
                raise ValueError(f"it has {table.size} numbers, a voice has {ROWS * 2 * style}")
            if not np.isfinite(table).all():
                raise ValueError("some of its numbers are not finite")
        except Exception as error:  # what a damaged pickle raises can be anything
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"kokoro: {path} is not the voice {name} ({reason}); fetch the file again") from error
        return table.astype(np.float32, copy=False).reshape(ROWS, 2 * style)


def voice_files(folder: Path) -> VoiceFiles:
    """The voices in a folder, `NAME.pt` or `NAME.bin`.

    Raises:
        ModelError: Where there is none
    """
    paths = {path.stem: path for suffix in (".bin", ".pt") for path in folder.glob(f"*{suffix}") if _is_name(path.stem)}
    if not paths:
        raise ModelError(f"kokoro: {folder} has no voice in it, such as af_heart.pt; fetch the voices again")
    try:
        digests = [f"{name} {sha256(paths[name])}" for name in sorted(paths)]
    except OSError as error:
        raise ModelError(f"kokoro: a voice in {folder} cannot be read: {error}; fetch the voices again") from error
    return VoiceFiles(paths, hashlib.sha256("\n".join(digests).encode()).hexdigest())


def demo_voice_files() -> VoiceFiles:
    """The five voices of the extra `kokoro-demo`.

    Raises:
        ModelError: Where it is not installed
    """
    package, file = DEMO_VOICES
    spec = find_spec(package)
    path = Path((spec.submodule_search_locations or [""])[0]) / file if spec else None
    if path is None or not path.is_file():
        raise ModelError('kokoro: the demo\'s voices are not installed: pip install "speechmill[kokoro-demo]"')
    with np.load(path) as stored:
        names = [name for name in stored.files if _is_name(name)]
    return VoiceFiles(dict.fromkeys(names, path), sha256(path))


def demo_tables() -> dict[str, Table]:
    """Every table of the demo, by name."""
    files = demo_voice_files()
    return {name: files.table(name, 128) for name in files.names}


def _read(path: Path, name: str) -> Table:
    if path.suffix == ".npz":
        with np.load(path) as stored:
            return np.asarray(stored[name])
    if path.suffix == ".bin":
        return np.fromfile(path, np.float32)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True).numpy()


def _is_name(name: str) -> bool:
    return len(name) > 3 and name[0] in LANGUAGES and name[1] in "fm" and name[2] == "_"
