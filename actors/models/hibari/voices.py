"""The voices of hibari-tts: their names, their accents, and the file that each is loaded from.

"heart" lies in the wheel; the package fetches the others into its own cache when they are first loaded. Guarantees
that a file of the registry is loaded only if its checksum is the registry's.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from ....errors import ModelError, did_you_mean
from ..onnx_file import read_bytes
from .package import hibari_package

DEFAULT_VOICE = "heart"


def voice_names() -> tuple[str, ...]:
    """Every voice of the installed package, in its order."""
    hibari_package()
    from hibari.voices import VOICES

    return tuple(VOICES)


def is_british(voice: str) -> bool:
    """Whether the voice reads text the British way."""
    hibari_package()
    from hibari.voices import VOICES

    return bool(VOICES[voice]["british"])


def check_voice(voice: str) -> str:
    """`voice`.

    Raises:
        ModelError: If there is no such voice
    """
    if voice not in voice_names():
        raise ModelError(f'model.voice "{voice}" is not a voice of hibari: {did_you_mean(voice, voice_names())}')
    return voice


def own_file(path: str) -> Path:
    """The model file that the user named.

    Raises:
        ModelError: If there is none
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelError(f"model.path {path} is not a file; hibari takes one .onnx file, or none for its own voices")
    return file


def weights_digest(voice: str, file: Path | None) -> str:
    """sha256 of the weights of a voice, or of the file that stands in for it, without fetching anything."""
    hibari_package()
    from hibari.voices import VOICES

    return str(VOICES[voice]["sha256"]) if file is None else hashlib.sha256(read_bytes(file)).hexdigest()


def voice_file(voice: str) -> Path:
    """The registry's file of a voice, fetched if need be.

    Raises:
        ModelError: If it cannot be had or is damaged
    """
    hibari_package()
    from hibari.voices import voice_path

    try:
        file = Path(voice_path(voice))
    except (RuntimeError, OSError) as error:
        raise ModelError(f'hibari: no weights for voice "{voice}": {error}') from error
    expected, found = weights_digest(voice, None), weights_digest(voice, file)
    if found != expected:
        raise ModelError(
            f'hibari: {file} for voice "{voice}" is damaged (sha256 {found[:12]}…, expected {expected[:12]}…); '
            "delete it and it is fetched again"
        )
    return file


def package_version() -> str:
    """Name and version of the package that holds voices and pronunciation."""
    return f"hibari-tts {version('hibari-tts')}"
