"""The laws of a model, each a function that raises Broken with what it found. They know a model by its interface alone.

Samples of two ways to speak one row count as equal when they have one length and differ by `TOLERANCE` at most: sums
are rounded in another way in a batch of another shape. Not known here: how a model is loaded, what is reported.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...actors.models.base import AutoregressiveModel
from ...actors.records.stream_handle import StreamHandle
from ...actors.records.utterance import Prepared, Segment
from ...errors import RowError
from .configuration_laws import describes_itself, refuses_damaged_weights, refuses_what_is_wrong
from .subject import Broken, Skipped, Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

TOLERANCE = 1e-3
"""In samples of -1 … 1: below what can be heard, above what rounding makes of float32."""


def prepares_text(subject: Subject) -> None:
    """`prepare` gives tokens and their length, the same each time, and nothing longer than `max_length` for nothing."""
    model, info = subject.model, subject.info
    for text in subject.texts:
        prepared = model.prepare(text, "")
        if not isinstance(prepared, Prepared):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise Broken(f"`prepare` gives {type(prepared).__name__} where Prepared is expected: Prepared.of(tokens)")
        if not prepared.tokens:
            raise Broken(f"{text!r} has no token: probe texts must be ones that it can speak")
        if prepared != model.prepare(text, ""):
            raise Broken(f"{text!r} has other tokens or another length the second time")
        if not all(type(number) is int for number in (*prepared.tokens, prepared.length)):
            raise Broken(f"the tokens of {text!r}, or their length, are no integers")
    try:
        nothing = model.prepare("", "")
    except RowError:
        return
    if nothing.length > info.max_length:
        raise Broken("the empty text is longer than max_length")


def makes_samples(subject: Subject) -> None:
    """A clip a segment: float32 [num_samples] in -1 … 1, finite, and not silence."""
    import numpy as np

    segments = subject.segments()
    waves = subject.model.speak(segments)
    if len(waves) != len(segments):
        raise Broken(f"{len(waves)} clips for {len(segments)} segments")
    for segment, wave in zip(segments, waves, strict=True):
        where = f"the clip of {segment.text!r}"
        if not isinstance(wave, np.ndarray) or wave.dtype != np.float32 or wave.ndim != 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise Broken(f"{where} is no float32 array of one dimension")
        if not len(wave) or not np.isfinite(wave).all():
            raise Broken(f"{where} is empty, or has samples that are not finite")
        if float(np.abs(wave).max()) > 1:
            raise Broken(f"{where} has samples beyond -1 … 1")
        if not wave.any():
            raise Broken(f"{where} is silent: what cannot be spoken has to raise RowError")


def repeats_itself(subject: Subject) -> None:
    """The same segments give the same samples, to the bit."""
    import numpy as np

    segments = subject.segments()
    for segment, wave, again in zip(
        segments, subject.model.speak(segments), subject.model.speak(segments), strict=True
    ):
        if not np.array_equal(wave, again):
            raise Broken(f"{segment.text!r} sounds otherwise the second time: is all randomness from its seed?")


def depends_on_no_batch_mate(subject: Subject) -> None:
    """A row is the same alone, in a batch of all, and in another order."""
    segments = subject.segments()
    alone = [subject.model.speak([segment])[0] for segment in segments]
    _same(segments, alone, subject.model.speak(segments), "in a batch")
    order = list(range(len(segments)))
    random.Random(1).shuffle(order)
    shuffled = subject.model.speak([segments[at] for at in order])
    if len(shuffled) != len(segments):
        raise Broken(f"{len(shuffled)} clips for {len(segments)} segments")
    _same([segments[at] for at in order], [alone[at] for at in order], shuffled, "in another order")


def follows_its_seed(subject: Subject) -> None:
    """Another seed is another sound, of the same length unless the model varies, and a neighbour's changes nothing."""
    import numpy as np

    first, second = subject.segments(subject.texts[:2])
    (wave,), (other,) = subject.model.speak([first]), subject.model.speak([replace(first, seed=first.seed + 1)])
    if np.array_equal(wave, other):
        raise Broken("another seed gives the very same samples: the seed is ignored")
    if not subject.info.varies and len(wave) != len(other):
        raise Broken(f"another seed gives {len(other)} samples where {len(wave)} were: `varies` should be True")
    beside = subject.model.speak([first, replace(second, seed=9)])[0]
    _same([first], [wave], [beside], "beside a row with another seed")


def mixes_voices(subject: Subject) -> None:
    """Rows of two voices in one batch are each what they are alone, and a voice leaves nothing behind for the next."""
    if not subject.info.mixes_voices:
        raise Skipped("it speaks one voice a batch (mixes_voices is False)")
    if len(subject.voices) < 2:
        raise Skipped("it has one voice")
    first, second = subject.voices
    try:
        rows = [*subject.segments(voice=first), *(replace(s, row=100 + s.row) for s in subject.segments(voice=second))]
    except RowError as error:
        raise Skipped(f"it has no voices by these names: {error}") from error
    alone = [subject.model.speak([row])[0] for row in rows]
    _same(rows[:1], alone[:1], subject.model.speak(rows[:1]), "after another voice")
    mixed = [row for pair in zip(rows[: len(rows) // 2], rows[len(rows) // 2 :], strict=True) for row in pair]
    wanted = {(row.row, row.voice): wave for row, wave in zip(rows, alone, strict=True)}
    _same(mixed, [wanted[row.row, row.voice] for row in mixed], subject.model.speak(mixed), "among other voices")


def follows_its_recording(subject: Subject) -> None:
    """Rows with recordings of their own are each what they are alone, and another recording is another sound."""
    import numpy as np

    if "reference" not in subject.info.voice_forms:
        raise Skipped("it speaks with no voices of recordings")
    first, second = subject.texts[:2]
    rows = [subject.cloned(first, 110, 0), subject.cloned(first, 230, 1), subject.cloned(second, 230, 2)]
    rows += [replace(row, row=3) for row in subject.segments([first])]
    alone = [subject.model.speak([row])[0] for row in rows]
    if np.array_equal(alone[0], alone[1]):
        raise Broken("another recording gives the very same samples: Segment.reference is ignored")
    _same(rows, alone, subject.model.speak(rows), "beside rows with other recordings")
    _same(rows[::-1], alone[::-1], subject.model.speak(rows[::-1]), "in another order")


def keeps_its_speed(subject: Subject) -> None:
    """Faster is shorter, and a row's speed is its own."""
    _, fastest = subject.info.speeds
    speed = min(1.5, fastest)
    if speed <= 1:
        raise Skipped("it has one speed")
    if isinstance(subject.model, AutoregressiveModel):
        raise Skipped("it paces itself: a speed may be a word in its prompt")
    plain, quick = subject.segments(subject.texts[:1]) + subject.segments(subject.texts[:1], speed=speed)
    alone = [subject.model.speak([segment])[0] for segment in (plain, quick)]
    if len(alone[1]) >= len(alone[0]):
        raise Broken(f"at {speed:g} times the speed {len(alone[1])} samples, at once the speed {len(alone[0])}")
    quick = replace(quick, row=1)
    _same([plain, quick], alone, subject.model.speak([plain, quick]), "beside a row of another speed")


def streams_what_it_speaks(subject: Subject) -> None:
    """A stream, put together, is the clip; it may differ in level where pieces meet, not in length."""
    segment = subject.segments(subject.texts[:1])[0]
    (wave,) = subject.model.speak([segment])
    streamed = sum(len(piece) for piece in subject.model.stream(segment, StreamHandle()))
    if streamed != len(wave):
        raise Broken(f"a stream has {streamed} samples, the clip {len(wave)}")


def ends_when_it_is_told(subject: Subject) -> None:
    """A stream that is cancelled ends, and what is spoken afterwards is what it was."""
    segment = subject.segments(subject.texts[:1])[0]
    (wave,) = subject.model.speak([segment])
    handle = StreamHandle()
    stream = subject.model.stream(segment, handle)
    next(stream, None)
    handle.leave()
    for count, _ in enumerate(stream):
        if count > 1_000:
            raise Broken("a stream that was cancelled goes on")
    _same([segment], [wave], subject.model.speak([segment]), "after a stream that was cancelled")


def knows_its_memory(subject: Subject) -> None:
    """A model with slots takes none where there is no memory, and says how it used them."""
    model = subject.model
    if not isinstance(model, AutoregressiveModel):
        memory = model.memory()
        if memory is not None and memory.total() <= 0:
            raise Broken("its memory has no size")
        return
    usage = model.usage()
    if not 0 < usage.row_steps <= usage.slot_steps:
        raise Broken(f"{usage.row_steps} of {usage.slot_steps} slots were used, after rows were spoken")


LAWS: tuple[Callable[[Subject], None], ...] = (
    describes_itself,
    refuses_what_is_wrong,
    refuses_damaged_weights,
    prepares_text,
    makes_samples,
    repeats_itself,
    depends_on_no_batch_mate,
    follows_its_seed,
    mixes_voices,
    follows_its_recording,
    keeps_its_speed,
    streams_what_it_speaks,
    ends_when_it_is_told,
    knows_its_memory,
)


def _same(segments: Sequence[Segment], wanted: Sequence[Wave], waves: Sequence[Wave], when: str) -> None:
    for fault in _differences(segments, wanted, waves):
        raise Broken(f"{fault} {when}")


def _differences(segments: Sequence[Segment], wanted: Sequence[Wave], waves: Sequence[Wave]) -> Iterator[str]:
    import numpy as np

    for segment, one, other in zip(segments, wanted, waves, strict=True):
        name = f"{segment.text!r} (voice {segment.voice or 'default'}, seed {segment.seed})"
        if len(one) != len(other):
            yield f"{name} has {len(other)} samples, alone {len(one)},"
        elif not np.allclose(one, other, rtol=0, atol=TOLERANCE):
            yield f"{name} differs by {float(np.abs(one - other).max()):.4f} from what it is alone,"
