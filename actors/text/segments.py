"""A row's text as segments that a model can speak, with the silences before them: reading, splitting and fitting.

Guaranteed: what is spoken is what the front end says; the segments keep the model's limits; a row of which nothing can
be spoken, or that its rules do not allow, is rejected with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ...errors import RowRejected
from ..records.reference import Reference
from ..records.utterance import Segment, Utterance
from .front_end import FrontEnd, SpokenText, named, refuse_unspoken
from .splitting import fit_pieces, split_text

if TYPE_CHECKING:
    from ..models.base import Model


@dataclass(frozen=True, slots=True)
class SpokenSegments:
    """A row ready to be spoken.

    Attributes:
        pauses_s: Seconds of silence before each segment
        spoken: The whole text as it is spoken, and what is not
    """

    segments: Sequence[Segment]
    pauses_s: Sequence[float]
    spoken: SpokenText


def spoken_segments(
    utterance: Utterance,
    model: Model,
    front_end: FrontEnd,
    pause_s: float,
    spoken: SpokenText | None = None,
    reference: Reference | None = None,
) -> SpokenSegments:
    """The row as the model takes it, `pause_s` seconds between segments of one paragraph.

    What the model's `prepare` raises passes.

    Args:
        spoken: What the front end has read before; None to read the text now
        reference: The recording that the row names; segments do not hold it, since many of them wait at a time

    Raises:
        TextTooLong: And RowRejected: for what cannot be cut, for a row with nothing to speak, and for one with unspoken
            text where the rules want none
    """
    info = model.info
    spoken = spoken if spoken is not None else front_end.read(utterance.text, utterance.voice, utterance.language)
    reference = reference or model.preset(utterance.voice or info.default_voice)
    prepare = partial(model.prepare_in, utterance.language) if utterance.language else model.prepare
    if reference is not None:
        prepare = partial(model.prepare_like, reference, utterance.language)
    segments: list[Segment] = []
    pauses_s: list[float] = []
    missed = dict.fromkeys(spoken.unspoken)
    for part in spoken.parts:
        silence_s = part.pause_s if part.pause_s is not None else 0.0 if not segments else pause_s
        pieces = split_text(part.text, info.split_chars, is_read=info.takes_words)
        for piece, tokens in fit_pieces(pieces, utterance.voice, info.max_length, prepare):
            segments.append(
                Segment(
                    utterance.row,
                    len(segments),
                    piece,
                    tokens,
                    utterance.seed,
                    utterance.voice,
                    utterance.speed,
                    utterance.language,
                )
            )
            pauses_s.append(silence_s)
            silence_s = pause_s
        for piece in pieces:
            missed.update(dict.fromkeys(model.unspoken(piece)))
    whole = SpokenText(spoken.parts, tuple(missed))
    if not segments:
        what = f": {named(whole.unspoken)} is in no alphabet of {info.name}" if missed else ""
        raise RowRejected(f"nothing in the text can be spoken{what}")
    if front_end.rules.fails:
        refuse_unspoken(whole)
    return SpokenSegments(segments, pauses_s, whole)
