"""Values of `model.options`, checked: what several models ask of theirs. Pure.

Guaranteed: what is wrong is refused with its place in the job file, and with what is allowed there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ...errors import ModelError, did_you_mean

VOICE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""A name that a job may give to a voice."""


def check_keys(raw: Mapping[str, object], known: Sequence[str], where: str, model: str) -> None:
    """Refuse keys that are not known.

    Raises:
        ModelError: There is one; the message names the first, and the nearest one that is known
    """
    for key in raw:
        if key not in known:
            raise ModelError(f"{where}.{key} is not an option of {model}: {did_you_mean(key, known)}")


def mapping(value: object, where: str) -> Mapping[str, object]:
    """A map, its keys as text.

    Raises:
        ModelError: It is something else
    """
    if not isinstance(value, Mapping):
        raise ModelError(f"{where} is {value!r:.40}; it has to hold keys of its own")
    return {str(key): item for key, item in cast("Mapping[object, object]", value).items()}


def choice(value: object, allowed: Sequence[str], where: str) -> str:
    """One of some texts.

    Raises:
        ModelError: It is something else
    """
    if not isinstance(value, str) or value not in allowed:
        raise ModelError(f"{where} is {value!r:.40}; it has to be one of {', '.join(allowed)}")
    return value


def typed(value: object, kind: type, where: str, allowed: str) -> Any:
    """A value of exactly this type; `allowed` says in words what that is.

    Raises:
        ModelError: It is something else
    """
    if type(value) is not kind:
        raise ModelError(f"{where} is {value!r:.40}; it has to be {allowed}")
    return value


def number(value: object, kind: type, least: float, most: float, where: str) -> Any:
    """A number from `least` to `most`, whole if `kind` is int.

    Raises:
        ModelError: It is something else
    """
    is_right = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if not is_right or not least <= cast("float", value) <= most:
        named = "a whole number" if kind is int else "a number"
        raise ModelError(f"{where} is {value!r:.40}; it has to be {named} from {least:g} to {most:g}")
    return value
