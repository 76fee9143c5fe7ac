"""Captured graphs: `torch.cuda.CUDAGraph` and `torch.cuda.graph` for the pretended device.

While capturing, operators run so that shapes are known, and what they changed is put back at the end: as on a GPU, a
captured operator has changed nothing. A replay executes the recorded operators on the recorded tensors, so numbers that
Python passed while capturing stay what they were, and results appear in the tensors of the capture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .operators import tensors
from .streams import Known, Stream
from .tensor import Block

if TYPE_CHECKING:
    from .device import PretendCuda


class CaptureError(RuntimeError):
    """CUDA does not permit this while a stream is being captured, or with what a capture has left."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphNode:
    """A recorded operator: `run` executes it again, on the same tensors."""

    name: str
    reads: tuple[Block, ...]
    writes: tuple[Block, ...]
    run: Callable[[Stream], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Before:
    """Memory as it was before the capture changed it, and the order that streams had promised for it."""

    storage: torch.UntypedStorage
    values: torch.UntypedStorage
    written: tuple[Stream, int] | None
    reads: Known


class Capture:
    """A capture that is going on.

    Attributes:
        streams: The streams that are captured: that of the graph, and those that have waited for it since
    """

    def __init__(self, graph: CUDAGraph, origin: Stream) -> None:
        self.graph, self.origin = graph, origin
        self.streams: set[Stream] = {origin}
        self._before: dict[Block, _Before] = {}
        self._order: dict[Block, tuple[tuple[Stream, int] | None, Known]] = {}

    def check(self, name: str, blocks: list[Block]) -> None:
        """Refuse memory that another graph owns.

        Raises:
            CaptureError: It would be what that graph's last replay has left
        """
        if any(block.graph is not None and block.graph is not self.graph for block in blocks):
            raise CaptureError(
                f"{name} uses a tensor that was allocated while another graph was captured: allocate it before captures"
            )

    def keep(self, block: Block, inner: Tensor | None) -> None:
        """Remember memory from before the capture: its order, and its values if they are about to change."""
        if block.graph is self.graph:
            return
        self._order.setdefault(block, (block.written, dict(block.reads)))
        if inner is not None and block not in self._before:
            storage = inner.untyped_storage()
            self._before[block] = _Before(storage, storage.clone(), block.written, dict(block.reads))

    def end(self) -> None:
        """Put back what the capture has changed."""
        for before in self._before.values():
            before.storage.copy_(before.values)
        for block, (written, reads) in self._order.items():
            block.written, block.reads = written, reads
        for node in self.graph.nodes:
            for block in (*node.reads, *node.writes):
                if block.graph is self.graph:
                    block.written, block.reads = None, {}


class CUDAGraph:
    """As `torch.cuda.CUDAGraph`."""

    gpu: ClassVar[PretendCuda]

    def __init__(self, keep_graph: bool = False) -> None:
        self.nodes: list[GraphNode] = []
        self.is_replayed = False
        self._is_captured = False
        self._pool: object = None

    def capture_begin(self, pool: object = None, capture_error_mode: str = "global") -> None:
        """Record the operators of the current stream from here on.

        Raises:
            CaptureError: It is the default stream, a capture is going on, or the graph has been captured
        """
        gpu, stream = self.gpu, self.gpu.streams[-1]
        gpu.refuse_in_capture("capture_begin")
        if stream is gpu.streams[0]:
            raise CaptureError("graphs must be captured on a stream that is not the default stream")
        if self._is_captured:
            raise CaptureError("this graph has been captured; reset it first")
        self._pool = pool or object()
        gpu.capture = Capture(self, stream)

    def capture_end(self) -> None:
        """End the capture.

        Raises:
            CaptureError: Another stream was captured, and the graph's own has not waited for it
        """
        capture = self.gpu.capture
        if capture is None or capture.graph is not self:
            raise CaptureError("this graph is not being captured")
        self.gpu.capture = None
        capture.end()
        self._is_captured = True
        for stream in capture.streams - {capture.origin}:
            if capture.origin.known.get(stream, 0) < stream.number:
                raise CaptureError("capturing stream has unjoined work: the graph's stream did not wait for another")

    def replay(self) -> None:
        """Execute what was recorded.

        Raises:
            CaptureError: Nothing has been captured
            StreamOrderError: Another stream may be using its tensors
        """
        gpu = self.gpu
        gpu.refuse_in_capture("CUDAGraph.replay")
        if not self._is_captured:
            raise CaptureError("the graph has not been captured")
        stream = gpu.streams[-1]
        reads, writes = ([block for node in self.nodes for block in blocks(node)] for blocks in (_reads, _writes))
        gpu.launch("a replayed graph", list(dict.fromkeys(reads)), list(dict.fromkeys(writes)))
        self.is_replayed = True
        with torch.inference_mode():
            for node in self.nodes:
                node.run(stream)
        gpu.note_replay(Counter(node.name for node in self.nodes))

    def reset(self) -> None:
        """Forget the record."""
        self.nodes, self._is_captured, self.is_replayed = [], False, False

    def pool(self) -> object:
        """What other graphs share memory by."""
        return self._pool


class graph:  # noqa: N801  (its name in torch)
    """As `torch.cuda.graph`: captures a block of code on a stream of its own."""

    def __init__(
        self,
        cuda_graph: CUDAGraph,
        pool: object = None,
        stream: Stream | None = None,
        capture_error_mode: str = "global",
    ) -> None:
        self._graph, self._pool, self._stream = cuda_graph, pool, stream or Stream()

    def __enter__(self) -> None:
        gpu = self._graph.gpu
        gpu.synchronize()
        self._stream.__enter__()
        try:
            self._graph.capture_begin(self._pool)
        except BaseException:
            self._stream.__exit__()
            raise

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self._graph.capture_end()
            elif (capture := self._graph.gpu.capture) is not None:
                self._graph.gpu.capture = None
                capture.end()
        finally:
            self._stream.__exit__()


def recorded(function: Any, args: Any, kwargs: Any, result: Any) -> Callable[[Stream], None]:
    """Executes an operator again and puts its results where they were in the capture."""
    kept = list(tensors(result))

    def run(_: Stream) -> None:
        for target, made in zip(kept, tensors(function(*args, **kwargs)), strict=True):
            if made is not target:
                target.copy_(made)

    return run


def _reads(node: GraphNode) -> tuple[Block, ...]:
    return node.reads


def _writes(node: GraphNode) -> tuple[Block, ...]:
    return node.writes
