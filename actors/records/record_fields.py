"""The fields of a record as they are read: which there are, of which type, and what each may hold.

Guaranteed: what `checked` returns is what `Record` declares for the field; all else is refused with its name, because
an output folder may have been edited by anyone. Not known here: which fields go together, see `Record`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, cast

from ...errors import JobError

MAX_NUMBER = 1 << 63
VERDICTS = ("passed", "rejected", "unheard")

# bool is an int to Python, not here: types are compared exactly.
TYPES: Mapping[str, tuple[type, ...]] = {
    "row": (int,),
    "id": (str,),
    "status": (str,),
    "error": (str, NoneType),
    "text": (str,),
    "voice": (str,),
    "seed": (int, NoneType),
    "speed": (float, int, NoneType),
    "model": (str,),
    "model_revision": (str,),
    "audio": (str, NoneType),
    "member": (str, int, NoneType),
    "audio_format": (str, NoneType),
    "audio_bytes": (int, NoneType),
    "audio_sha256": (str, NoneType),
    "sample_rate": (int, NoneType),
    "num_samples": (int, NoneType),
    "duration_s": (float, int, NoneType),
    "pcm_sha256": (str, NoneType),
    "num_segments": (int, NoneType),
    "unspoken": (str,),
    "refined": (str, NoneType),
    "metadata": (dict,),
}
"""Of every line."""
RESERVED_TYPES: Mapping[str, tuple[type, ...]] = {
    "normalized_text": (str,),
    "attempt": (int,),
    "verdict": (str,),
    "scores": (dict,),
    "heard": (str,),
    "unheard_by": (list,),
    "rejected": (list,),
    "alignment": (list,),
    "language": (str,),
    "asked_seed": (int,),
    "kept": (dict,),
    "reference": (dict,),
}
"""Of fields that a line has only where they are set."""


def checked(name: str, value: object) -> object:
    """The value of a field, as a record holds it.

    Raises:
        JobError: The value is none that the field may have
    """
    types = TYPES.get(name) or RESERVED_TYPES[name]
    if type(value) not in types:
        allowed = " or ".join(kind.__name__ for kind in types)
        raise JobError(f"{name} is {value!r:.80}; it has to be {allowed}")
    if isinstance(value, int | float) and not abs(value) < MAX_NUMBER:
        raise JobError(f"{name} is {value!r:.80}; it has to be finite and below 2**63")
    if float in types and value is not None:
        return float(cast("int | float", value))
    if name == "scores":
        return {key: _finite_number(name, item) for key, item in cast("dict[str, object]", value).items()}
    if name == "verdict" and value not in VERDICTS:
        raise JobError(f"verdict is {value!r:.80}; it has to be {', '.join(VERDICTS)}")
    if name == "unheard_by" and not all(isinstance(judge, str) for judge in cast("list[object]", value)):
        raise JobError(f"unheard_by holds {value!r:.80}, where names of judges are expected")
    if name in ("rejected", "alignment"):
        check = _rejected if name == "rejected" else _aligned
        return [check(item) for item in cast("list[object]", value)]
    if name in ("reference", "kept"):
        check = _checked_reference if name == "reference" else _checked_kept
        return check(cast("dict[str, object]", value))
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            if not isinstance(item, str | int | float | None):
                raise JobError(f"metadata {key!r:.80} is a {type(item).__name__}; it has to be a single value")
    return cast("object", value)


def _checked_kept(value: dict[str, object]) -> dict[str, object]:
    run, row = value.get("run"), value.get("row")
    is_known = value.keys() in ({"run", "row"}, {"run", "row", "metadata"})
    if not is_known or type(run) is not int or type(row) is not int or not (0 < run < 10**18 and 0 <= row < MAX_NUMBER):
        raise JobError(f"kept is {value!r:.80}; it has to be an object with run, row, and where it differs metadata")
    if "metadata" in value:
        checked("metadata", value["metadata"])
    return value


def _checked_reference(value: dict[str, object]) -> dict[str, object]:
    is_known = value.keys() in ({"clip", "text"}, {"clip", "text", "digest"})
    if not is_known or not all(isinstance(item, str) for item in value.values()):
        raise JobError(f"reference is {value!r:.80}; it has to be an object with clip, text, perhaps digest")
    return value


def _finite_number(name: str, value: object) -> float:
    if type(value) not in (int, float) or not abs(cast("float", value)) < MAX_NUMBER:
        raise JobError(f"{name} holds {value!r:.80}, where a finite number below 2**63 is expected")
    return float(cast("float", value))


def _aligned(piece: object) -> tuple[str, float, float]:
    match piece:
        case [str(text), first, last]:
            return text, _finite_number("alignment", first), _finite_number("alignment", last)
        case _:
            raise JobError(f"alignment holds {piece!r:.80}; a piece of it is a text and the seconds of its two ends")


def _rejected(trial: object) -> dict[str, Any]:
    match trial:
        case {"attempt": int(), "judge": str(), "reasons": [*reasons], "duration_s": float() | int() as seconds} if all(
            isinstance(reason, str) for reason in reasons
        ):
            _finite_number("rejected", seconds)
            return cast("dict[str, Any]", trial)
        case _:
            raise JobError(f"rejected holds {trial!r:.120}; an attempt in it has attempt, judge, reasons, duration_s")
