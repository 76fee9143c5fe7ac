"""Streams and events, and the order that they promise: each stream knows which operators of others came before.

An operator is known by its stream and its number on it. A stream knows of another one what it waited for: by an event,
by `wait_stream`, or because the host had waited before it launched. The knowledge of the host is that of all threads
together, so a thread that tells another one is no error here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .tensor import CUDA, Block

if TYPE_CHECKING:
    from .device import PretendCuda

Known = dict["Stream", int]
"""The last operator of each stream that has certainly run."""


class StreamOrderError(RuntimeError):
    """A stream uses what another one may still be writing or reading."""


class Stream:
    """As `torch.cuda.Stream`."""

    gpu: ClassVar[PretendCuda]
    device = CUDA

    def __init__(self, device: object = None, priority: int = 0, **_: object) -> None:
        self.priority = priority
        self.number = 0
        self.known: Known = {}

    def wait_event(self, event: Event) -> None:
        """Let later operators come after the event."""
        join(self.known, event.known)
        if event.capture is not None:
            event.capture.streams.add(self)

    def wait_stream(self, stream: Stream) -> None:
        """Let later operators come after those that are on the other stream now."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """An event behind the operators of this stream."""
        event = event or Event()
        event.record(self)
        return event

    def synchronize(self) -> None:
        """Let the host wait for all operators of this stream."""
        self.gpu.host_waits("Stream.synchronize", {self: self.number, **self.known})

    def query(self) -> bool:
        """Whether all operators have run: always, as they run when they are launched."""
        self.gpu.refuse_in_capture("Stream.query")
        self.gpu.host_knows({self: self.number, **self.known})
        return True

    def __enter__(self) -> Stream:
        self.gpu.streams.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.gpu.streams.pop()


class Event:
    """As `torch.cuda.Event`."""

    gpu: ClassVar[PretendCuda]

    def __init__(self, enable_timing: bool = False, **_: object) -> None:
        self.known: Known = {}
        self.capture: Any = None

    def record(self, stream: Stream | None = None) -> None:
        """Put the event behind the operators of a stream."""
        stream = stream or self.gpu.streams[-1]
        self.known = {stream: stream.number, **stream.known}
        capture = self.gpu.capture
        self.capture = capture if capture is not None and stream in capture.streams else None

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream wait for the event."""
        (stream or self.gpu.streams[-1]).wait_event(self)

    def synchronize(self) -> None:
        """Let the host wait for the event."""
        self.gpu.host_waits("Event.synchronize", self.known)

    def query(self) -> bool:
        """Whether the event has come: always, as operators run when they are launched."""
        self.gpu.refuse_in_capture("Event.query")
        self.gpu.host_knows(self.known)
        return True

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds: the device is pretended, and takes none."""
        return 0.0


def join(known: Known, more: Known) -> None:
    """Add what `more` knows to `known`."""
    for stream, number in more.items():
        known[stream] = max(number, known.get(stream, 0))


def launch(name: str, stream: Stream, host: Known, reads: list[Block], writes: list[Block]) -> None:
    """Put an operator on a stream.

    Raises:
        StreamOrderError: Another stream may be writing what it reads, or using what it writes
    """
    for block in (*reads, *writes):
        if block.written is not None:
            _check(name, stream, host, *block.written, "written")
    for block in writes:
        for other, number in block.reads.items():
            _check(name, stream, host, other, number, "read")
    stream.number += 1
    for block in reads:
        block.reads[stream] = stream.number
    for block in writes:
        block.written, block.reads = (stream, stream.number), {}


def _check(name: str, stream: Stream, host: Known, other: Stream, number: int, what: str) -> None:
    if other is not stream and max(stream.known.get(other, 0), host.get(other, 0)) < number:
        raise StreamOrderError(
            f"{name} uses a tensor that another stream has {what}, and its stream did not wait for that: "
            "wait_stream or wait_event is missing"
        )
