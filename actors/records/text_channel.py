"""A text on its way from the thread that writes it to the thread that speaks it, part by part.

Guaranteed: the reader gets all characters in order. `feed` never waits; a writer that respects `has_room` keeps the
text in memory bounded. `close` may be called from any thread, and ends the reader's waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

MOST_WAITING_CHARS = 4_096
"""Characters that wait for the reader before the writer should wait: some minutes of speech."""


class TextSource(Protocol):
    """Text that arrives, for the thread that speaks it."""

    @property
    def is_ready(self) -> bool:
        """Whether `take` has something new."""
        ...

    def take(self) -> tuple[str, bool]:
        """Text that has come since the last call, maybe "", and whether it is complete; never waits."""
        ...

    def when_ready(self, call: Callable[[], None]) -> None:
        """Call whenever something comes, from any thread; the call must not wait."""
        ...


class TextChannel:
    """The text of one stream.

    Args:
        most_waiting: Characters that may wait before `has_room` is false
    """

    def __init__(self, most_waiting: int = MOST_WAITING_CHARS) -> None:
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._num_waiting = 0
        self._is_ended = self._is_closed = False
        self._error: BaseException | None = None
        self._told: list[Callable[[], None]] = []
        self._on_room: list[Callable[[], object]] = []

    def feed(self, text: str) -> None:
        """Add to the text. After `close` it is thrown away.

        Raises:
            ValueError: The text has ended
        """
        with self._changed:
            if self._is_ended:
                raise ValueError("the text has ended: nothing can be added")
            if self._is_closed or not text:
                return
            self._waiting.append(text)
            self._num_waiting += len(text)
        self._tell()

    def end(self) -> None:
        """The text is complete."""
        with self._changed:
            self._is_ended = True
        self._tell()

    def fail(self, error: BaseException) -> None:
        """The text breaks off: the reader gets what has come, then this error."""
        with self._changed:
            self._error, self._is_ended = error, True
        self._tell()

    def close(self) -> None:
        """Nothing more is read: waiting readers and writers go on."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._num_waiting = 0
        self._tell()
        self._tell_of_room()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is read."""
        with self._changed:
            return self._is_closed

    @property
    def has_room(self) -> bool:
        """Whether the writer need not wait."""
        with self._changed:
            return self._has_room

    @property
    def _has_room(self) -> bool:
        return self._num_waiting < self._most_waiting or self._is_closed

    def when_room(self, call: Callable[[], object]) -> None:
        """Call once there is room: at once, or from the reader's thread."""
        with self._changed:
            if not self._has_room:
                self._on_room.append(call)
                return
        call()

    def when_ready(self, call: Callable[[], None]) -> None:
        """Call whenever something comes, from the writer's thread; the call must not wait."""
        self._told.append(call)

    @property
    def is_ready(self) -> bool:
        """Whether `take` returns something: a part, or that the text has ended."""
        with self._changed:
            return self._is_ready

    @property
    def _is_ready(self) -> bool:
        return bool(self._waiting) or self._is_ended or self._is_closed

    def take(self) -> tuple[str, bool]:
        """All that has come, which may be "", and whether the text is complete; never waits.

        Raises:
            BaseException: The text has broken off with this error, and all before it was taken
        """
        with self._changed:
            if self._error is not None and not self._waiting:
                raise self._error
            text = "".join(self._waiting)
            self._waiting.clear()
            self._num_waiting = 0
            is_over = (self._is_ended and self._error is None) or self._is_closed
        self._tell_of_room()
        return text, is_over

    def __iter__(self) -> Iterator[str]:
        """The parts as they come, waiting for each."""
        while True:
            with self._changed:
                while not self._is_ready:
                    self._changed.wait()
            text, is_over = self.take()
            if text:
                yield text
            elif is_over:
                return

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
        for call in tuple(self._told):
            call()

    def _tell_of_room(self) -> None:
        with self._changed:
            calls, self._on_room = self._on_room, []
        for call in calls:
            call()


def pumped(parts: Iterable[str]) -> TextChannel:
    """A channel that a thread of its own fills from parts, each of which may be waited for; an error breaks it off."""
    channel = TextChannel()
    threading.Thread(target=_pump, args=(parts, channel), name="text", daemon=True).start()
    return channel


def _pump(parts: Iterable[str], channel: TextChannel) -> None:
    has_room = threading.Event()
    try:
        for part in parts:
            channel.feed(part)
            channel.when_room(has_room.set)
            has_room.wait()
            has_room.clear()
            if channel.is_closed:
                return
        channel.end()
    except BaseException as error:
        channel.fail(error)
