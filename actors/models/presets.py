"""Voices by their recordings that the job's options name: `model.options.voices: {name: {clip: …, text: …}}`.

Guaranteed: all of them are read and checked where the model is described, before a replica starts. Not known here:
other kinds of presets, which a model may have beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from ...errors import ModelError, RowRejected, did_you_mean
from ..records.reference import Reference
from .voice_reference import DEFAULT_VOICE, NamedVoice, parse_voice

_KEYS = ("clip", "text")
_WHERE = "model.options.voices"


def read_presets(voices: object, seconds: tuple[float, float]) -> Mapping[str, Reference]:
    """The references that `model.options.voices` names.

    Args:
        voices: The value of the option
        seconds: Shortest and longest clip that the model takes

    Raises:
        ModelError: For a value of the wrong kind, an unknown key, or a clip that cannot be used; the message names it
    """
    if not isinstance(voices, Mapping):
        raise ModelError(f"{_WHERE} is {voices!r:.60}; it has to map names to a clip and its text")
    return {
        _checked_name(name): _preset(f"{_WHERE}.{name}", keys, seconds)
        for name, keys in cast("Mapping[object, object]", voices).items()
    }


def presets_digest(presets: Mapping[str, Reference]) -> str:
    """12 hexadecimal digits of all names, clips and words; "" for none. It belongs into the model's revision."""
    if not presets:
        return ""
    told = "".join(f"{name}\0{preset.digest}\0{preset.text}\0" for name, preset in sorted(presets.items()))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip() or parse_voice(name) in (DEFAULT_VOICE,):
        raise ModelError(f"{_WHERE} has the name {name!r:.60}; a voice needs a name of letters")
    if not isinstance(parse_voice(name), NamedVoice):
        raise ModelError(f"{_WHERE} has the name {name!r:.60}, which means another kind of voice; choose another name")
    return name


def _preset(where: str, keys: object, seconds: tuple[float, float]) -> Reference:
    from ..audio.reference_clip import MAX_BYTES, decode_reference

    if not isinstance(keys, Mapping):
        raise ModelError(f"{where} is {keys!r:.60}; it needs clip, a file, and text, the words in it")
    given = cast("Mapping[object, object]", keys)
    for key in given:
        if key not in _KEYS:
            raise ModelError(f"{where}.{key} is not a key: {did_you_mean(str(key), _KEYS)}")
    clip, text = given.get("clip"), given.get("text")
    if not isinstance(clip, str) or not clip or not isinstance(text, str):
        raise ModelError(f"{where} needs clip, a file, and text, the words in it")
    if "://" in clip:
        raise ModelError(
            f"{where}.clip: {clip:.200} is no local file; download it to the same path on every node "
            "(only a row's own reference is read from S3)"
        )
    try:
        path = Path(clip)
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise ModelError(f"{where}.clip: {clip:.200} is no file; name a recording")
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{where}.clip: {clip:.200} has more than {MAX_BYTES:,} bytes")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ModelError(f"{where}.clip: {clip:.200} cannot be read: {why}") from error
    try:
        return decode_reference(data, text, seconds)
    except RowRejected as error:
        raise ModelError(f"{where} ({clip:.200}): {error}") from error
