"""The recording that comes with a request, as base64 of an audio file; nothing is ever opened by a path or an address.

Guaranteed: the bytes are few, since the body is; a clip that is too long is refused by its header before it is decoded.
"""

from __future__ import annotations

import base64
import binascii

from ....actors.audio.reference_clip import decode_reference
from ....actors.models.base import ModelInfo
from ....actors.records.reference import Reference
from ....errors import RowRejected
from ..http_problem import HttpProblem

_SCHEME_CHARS = 16


def request_reference(audio: str, text: str, info: ModelInfo) -> Reference | None:
    """The recording of a request; None for a request without one.

    Args:
        audio: Base64 of a file, also as a data: URI; "" for none
        text: The words in it

    Raises:
        HttpProblem: 400 for what is no recording, or none that the model can speak with
    """
    if not audio and not text:
        return None
    if "reference" not in info.voice_forms:
        raise _wrong("reference_audio", f"{info.name} speaks with no voices of recordings; leave it out")
    if not audio:
        raise _wrong("reference_text", '"reference_text" is given, and no "reference_audio"')
    head, comma, rest = audio.partition(",") if audio.startswith("data:") else ("", "", audio)
    if (comma and not head.endswith(";base64")) or "://" in rest[:_SCHEME_CHARS]:
        raise _wrong("reference_audio", f'"reference_audio" {_NO_ADDRESS}')
    try:
        data = base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong("reference_audio", f'"reference_audio" {_NO_ADDRESS}') from error
    try:
        return decode_reference(data, text, info.reference_s)
    except RowRejected as error:
        raise _wrong("reference_audio", f'"reference_audio": {error}') from error


_NO_ADDRESS = "is no base64 of an audio file; paths and addresses are not opened: send the clip itself"


def _wrong(param: str, message: str) -> HttpProblem:
    return HttpProblem(400, message, param=param, code="invalid_value")
