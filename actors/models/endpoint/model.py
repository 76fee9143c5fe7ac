"""The model `openai`: what any server with OpenAI's speech interface speaks, with shards, resumption and judges.

Rows need no batch: each is a request of its own, and the next one is sent as soon as one ends. So it is a model whose
rows join and leave, with a place for each request in place of a slot. Same row, same audio holds as far as the server
keeps it: the revision says whether seeds are sent.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ....errors import ModelError, RowError, did_you_mean
from ...records.stream_handle import StreamHandle
from ...records.utterance import Prepared, Segment
from ..base import AutoregressiveModel, BatchLimit, ModelConfig, ModelInfo, SlotUsage
from ..probe_texts import probe_texts
from ..segment_seed import segment_seed
from .occupancy import Occupancy
from .options import ANY_VOICE, NEUTRAL, EndpointOptions, read_options
from .speaker import Abandoned, EndpointSpeaker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Outcome = NDArray[np.float32] | RowError | BaseException


class Openai(AutoregressiveModel):
    """A client of speech servers."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """The model under these options; asks no server.

        Raises:
            ModelError: An option, the backend, the device or the voice is wrong
        """
        options = read_options(config.options)
        if config.backend not in ("auto", "http"):
            raise ModelError(f'model.backend "{config.backend}" does not exist for openai; leave it at "auto"')
        if config.device != "cpu":
            raise ModelError("model openai computes nothing here and takes no GPU; set model.device: cpu")
        voices = tuple(options.voices)
        if config.voice and voices and config.voice not in voices:
            raise ModelError(
                f'model.voice "{config.voice}" is not among model.options.voices: {did_you_mean(config.voice, voices)}'
            )
        return ModelInfo(
            name="openai",
            revision=f"{options.model or 'served'}{'' if options.seed_field else ', unseeded'}",
            backend="http",
            sample_rate=options.sample_rate,
            voices=voices,
            default_voice=config.voice or (voices[0] if voices else ANY_VOICE),
            max_length=options.max_chars,
            split_chars=options.max_chars,
            batch_limit=BatchLimit(options.concurrency, options.concurrency * options.max_chars),
            base_s=0.2 / options.concurrency,
            char_s=0.005 / options.concurrency,
            languages=options.languages,
            takes_words=options.takes_words,
            licence=options.licence,
            neutral_options=NEUTRAL,
        )

    def __init__(self, config: ModelConfig) -> None:
        self.info = self.describe(config)
        self._options = read_options(config.options)
        self._key = _key(self._options)
        self.reserve(0, None)

    def reserve(self, usable_bytes: int, slots: int | None) -> int:
        """Places for this many requests at once; they take no memory worth counting."""
        places = slots or self._options.concurrency
        probe = self._body(probe_texts(self.info.languages).sentences[0], self.info.default_voice, seed=1)
        self._speaker = EndpointSpeaker(self._options, self._key, places, probe)
        self._places, self._free = places, threading.Semaphore(places)
        self._occupancy = Occupancy(places)
        return places

    def prepare(self, text: str, voice: str) -> Prepared:
        """A token for each character: its code point; none where there is no letter and no digit."""
        return Prepared.of(map(ord, text) if any(map(str.isalnum, text)) else ())

    def speak_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, NDArray[np.float32] | RowError]]:
        """Ask for all segments, as many at once as there are places, and give each as it ends.

        Raises:
            ModelError: No row can be spoken; what was asked for is given up
            EndpointAway: No server answers
        """
        call = _Call(segments, self._places)

        def work() -> None:
            while (segment := call.next()) is not None:
                with self._free, self._occupancy.taken():
                    try:
                        outcome: Outcome = self._spoken(segment, call)
                    except BaseException as error:
                        outcome = error
                call.put(segment, outcome)
                if isinstance(outcome, BaseException) and not isinstance(outcome, RowError):
                    call.end()  # here, not when the outcome is taken: until then another text would be asked for

        for number in range(min(self._places, len(segments))):
            threading.Thread(target=work, name=f"speech {number}", daemon=True).start()
        try:
            for _ in segments:
                segment, outcome = call.take()
                if isinstance(outcome, BaseException) and not isinstance(outcome, RowError):
                    raise outcome
                yield segment, outcome
        finally:
            call.end()

    def _spoken(self, segment: Segment, call: _Call) -> NDArray[np.float32] | RowError:
        try:
            return self._speaker.speak(self._request(segment), segment.seed, call.is_over)
        except RowError as error:
            return error

    def stream(self, segment: Segment, listener: StreamHandle) -> Generator[NDArray[np.float32]]:
        """Ask for one segment beside all rows: as the server makes it where the options say `stream`, else whole."""

        def is_gone() -> bool:
            return listener.is_gone

        body = self._request(segment)
        try:
            with self._occupancy.taken():
                if not self._options.stream:
                    with listener.spending("speech"):
                        wave = self._speaker.speak(body, segment.seed, is_gone)
                    yield wave
                    return
                pieces = self._speaker.stream(
                    {**body, "response_format": "pcm", "stream_format": "audio"}, segment.seed, is_gone
                )
                with listener.spending("speech"):
                    first = next(pieces)
                yield first
                yield from pieces
        except (Abandoned, StopIteration):
            return

    def usage(self) -> SlotUsage:
        """The use of the places so far, in microseconds."""
        return self._occupancy.usage()

    def _request(self, segment: Segment) -> dict[str, Any]:
        seed = _sent_seed(segment, self._options.seed_bits)
        voice = segment.voice or self.info.default_voice
        return self._body(segment.text, voice, seed, speed=segment.speed, language=segment.language)

    def _body(self, text: str, voice: str, seed: int, speed: float = 1.0, language: str = "") -> dict[str, Any]:
        """The body of a request; keys that the server may leave to itself are left out."""
        options = self._options
        body: dict[str, Any] = {"input": text, "response_format": options.response_format, **options.body}
        if options.model:
            body["model"] = options.model
        if options.voices:
            body |= options.voices[voice]
        elif voice != ANY_VOICE:
            body["voice"] = voice
        if speed != 1:
            body["speed"] = speed
        if options.seed_field:
            body[options.seed_field] = seed
        if options.language_field and language:
            body[options.language_field] = language
        return body


class _Call:
    """The segments of one call on their way through threads: few are ahead of the one that takes them.

    Args:
        room: Outcomes that may wait to be taken
    """

    def __init__(self, segments: Sequence[Segment], room: int) -> None:
        self._left = iter(segments)
        self._guard = threading.Lock()
        self._room = threading.Semaphore(room)
        self._outcomes: queue.SimpleQueue[tuple[Segment, Outcome]] = queue.SimpleQueue()
        self._over = threading.Event()

    def is_over(self) -> bool:
        """Whether nothing more is taken."""
        return self._over.is_set()

    def next(self) -> Segment | None:
        """The next segment, once there is room for its outcome; None at the end."""
        self._room.acquire()
        with self._guard:
            segment = None if self.is_over() else next(self._left, None)
        if segment is None:
            self._room.release()  # the next thread ends, too
        return segment

    def put(self, segment: Segment, outcome: Outcome) -> None:
        """Add an outcome."""
        self._outcomes.put((segment, outcome))

    def take(self) -> tuple[Segment, Outcome]:
        """Wait for the next outcome."""
        taken = self._outcomes.get()
        self._room.release()
        return taken

    def end(self) -> None:
        """Take nothing more: threads end with their request."""
        self._over.set()
        self._room.release()


def _sent_seed(segment: Segment, bits: int) -> int:
    """The seed that a server gets, below 2 ** bits: the row's own, where it fits and the row is spoken whole, once."""
    if segment.index == 0 and segment.attempt == 0 and segment.seed < 1 << bits:
        return segment.seed
    return segment_seed(segment.seed, segment.index, "speak", segment.attempt) & ((1 << bits) - 1)


def _key(options: EndpointOptions) -> str:
    """The servers' key; "" for none.

    Raises:
        ModelError: It is not in the environment
    """
    name = options.api_key_env
    key = os.environ.get(name, "").strip() if name else ""
    if name and not key:
        raise ModelError(
            f"model.options.api_key_env names {name}, and this replica's environment has no such variable; set it "
            "where replicas start (on a cluster: on every node, before Ray starts)"
        )
    if not key.isascii() or not key.isprintable():
        raise ModelError(f"the environment variable {name} holds a key with characters that no header can carry")
    return key
