"""The pretended device: what takes every operator, and what stands in for `torch.cuda` meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from . import streams
from .graphs import Capture, CaptureError, CUDAGraph, GraphNode, graph, recorded
from .memory import DeviceMemory
from .operators import LENGTHS_ON_HOST, check, facts, host_indices, mapped, tensors, waits_for_shape
from .streams import Event, Known, Stream
from .tensor import CPU, Block, DeviceTensor
from .trace import Trace, place
from .transfers import Transfers


class PretendCuda:
    """One device, active between `__enter__` and `__exit__`; threads that start meanwhile see it, too.

    Args:
        memory: Its memory

    Attributes:
        host: What the host knows to be done
    """

    def __init__(self, memory: DeviceMemory | None = None) -> None:
        self.memory = memory or DeviceMemory()
        self.transfers = Transfers()
        self.host: Known = {}
        self._traces: list[Trace] = []
        self._local = threading.local()
        self._stack = ExitStack()
        self._all_streams: list[Stream] = []
        self._default = self.new_stream()

    # The state of a thread

    @property
    def streams(self) -> list[Stream]:
        """The streams that the thread has entered; the first is the default stream."""
        if not hasattr(self._local, "streams"):
            self._local.streams = [self._default]
        return self._local.streams

    @property
    def capture(self) -> Capture | None:
        """The capture that the thread is in."""
        return getattr(self._local, "capture", None)

    @capture.setter
    def capture(self, capture: Capture | None) -> None:
        self._local.capture = capture

    def new_stream(self, *arguments: Any, **options: Any) -> Stream:
        """A stream that `synchronize` waits for."""
        made = Stream(*arguments, **options)
        self._all_streams.append(made)
        return made

    # What the host does

    @contextmanager
    def trace(self) -> Iterator[Trace]:
        """Count what is done in a block of code."""
        trace = Trace()
        self._traces.append(trace)
        try:
            yield trace
        finally:
            self._traces.remove(trace)

    def refuse_in_capture(self, what: str) -> None:
        """Raise CaptureError in a capture."""
        if self.capture is not None:
            raise CaptureError(f"operation not permitted when stream is capturing: {what}, at {place()}")

    def host_knows(self, known: Known) -> None:
        """The host has seen that operators are done."""
        streams.join(self.host, known)
        self.transfers.finish(self.host)

    def host_waits(self, what: str, known: Known | None = None) -> None:
        """The host waits, by default for the current stream."""
        self.refuse_in_capture(what)
        for trace in self._traces:
            trace.syncs[f"{what} at {place()}"] += 1
        stream = self.streams[-1]
        self.host_knows({stream: stream.number, **stream.known} if known is None else known)

    def synchronize(self, device: object = None) -> None:
        """Let the host wait for all streams."""
        self.host_waits("synchronize", {stream: stream.number for stream in self._all_streams})

    def launch(self, name: str, reads: list[Block], writes: list[Block]) -> None:
        """Put an operator on the current stream, if the order of streams permits it."""
        streams.launch(name, self.streams[-1], self.host, reads, writes)

    def note_replay(self, names: Counter[str]) -> None:
        """Count a replayed graph."""
        for trace in self._traces:
            trace.replays += 1
            trace.replayed.update(names)

    # Operators

    def run(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Execute an operator, on the host or on the device."""
        known = facts(function)
        given = list(tensors((args, kwargs)))
        of_device = [t for t in given if isinstance(t, DeviceTensor)]
        device = next((a for a in (*args, *kwargs.values()) if isinstance(a, torch.device)), None)
        if not of_device and (device is None or device.type != "cuda"):
            return self._run_on_host(known.name, known.is_view, function, args, kwargs)
        if known.is_composite:
            with _Mode(self):
                return function.decompose(*args, **kwargs)
        if of_device:
            check(known.name, function.tags, args, kwargs)
        if known.name == "copy_" and isinstance(args[0], DeviceTensor) != isinstance(args[1], DeviceTensor):
            return self._copy(function, args, kwargs)
        if known.name == "_to_copy" and of_device and device is not None and device.type != "cuda":
            return self._download(function, args, kwargs)
        if waits_for_shape(known.name, args):
            self.host_waits(known.name)
        if known.name == "_to_copy" and not of_device:
            self._note_upload(args[0], is_async=kwargs.get("non_blocking", False))
        elif host_indices(known.name, args):
            self._note_upload(args[0], is_async=False)
        elif known.has_kernel and known.name != "_local_scalar_dense":
            for trace in self._traces:
                trace.operators[known.name] += 1
        return self._launched(function, args, kwargs, of_device)

    def _run_on_host(self, name: str, is_view: bool, function: Any, args: Any, kwargs: Any) -> Any:
        if name == "is_pinned":
            return self.transfers.is_pinned(args[0])
        if name in ("pin_memory", "_pin_memory"):
            return self.transfers.pin(args[0].clone())
        is_pinned = bool(kwargs.get("pin_memory"))
        if is_pinned:
            kwargs = {**kwargs, "pin_memory": False}
        made = function(*args, **kwargs)
        if isinstance(made, Tensor) and (is_pinned or (is_view and self.transfers.is_pinned(args[0]))):
            self.transfers.pin(made)
        return made

    def _launched(self, function: Any, args: Any, kwargs: Any, of_device: list[DeviceTensor]) -> Any:
        known, capture = facts(function), self._recording()
        changed = [t for t in self._changed(known.written, args, kwargs) if isinstance(t, DeviceTensor)]
        reads, writes = [t.block for t in of_device], [t.block for t in changed]
        if known.has_kernel:
            self._check_graphs(known.name, reads)
            if capture is not None:
                for tensor in of_device:
                    capture.keep(tensor.block, tensor.inner if tensor in _Identity(changed) else None)
        blocks = {_storage(t.inner): t.block for t in of_device}
        wrappers = {id(t.inner): t for t in of_device}
        inner_args, inner_kwargs = mapped(args, _inner), mapped(_on_host(kwargs), _inner)
        inner_args = tuple(CPU if isinstance(a, torch.device) else a for a in inner_args)
        result = function(*inner_args, **inner_kwargs)
        fresh: list[Block] = []

        def wrapped(inner: Tensor) -> Tensor:
            if id(inner) in wrappers:
                return wrappers[id(inner)]
            if known.name in LENGTHS_ON_HOST and inner.dtype == torch.int64:
                return inner
            block = blocks.get(_storage(inner))
            if block is None:
                graph = capture.graph if capture is not None else None
                block = Block(inner.untyped_storage().nbytes(), self.memory, graph)
                blocks[_storage(inner)] = block
                fresh.append(block)
            return DeviceTensor(inner, block)

        made = mapped(result, wrapped)
        if known.has_kernel:
            self.launch(known.name, reads, [*writes, *fresh])
            if capture is not None:
                run = recorded(function, inner_args, inner_kwargs, result)
                self._record(GraphNode(known.name, tuple(reads), (*writes, *fresh), run))
        return made

    @staticmethod
    def _changed(written: tuple[tuple[int, str], ...], args: Any, kwargs: Any) -> Iterator[Tensor]:
        for position, name in written:
            yield from tensors(args[position] if position < len(args) else kwargs.get(name))

    # Copies between host and device

    def _copy(self, function: Any, args: Any, kwargs: Any) -> Any:
        """`copy_` between host and device."""
        target, source = args[0], args[1]
        is_async = kwargs.get("non_blocking", False) or (len(args) > 2 and args[2])
        if isinstance(target, DeviceTensor):
            self._note_upload(source, is_async=is_async)
            return self._launched(function, args, kwargs, [target])
        if is_async and self.transfers.is_pinned(target):
            self._download_into(source, target)
        else:
            self._check_graphs("copy_", [source.block])
            self.launch("copy_", [source.block], [])
            self.host_waits("copy_")
            target.copy_(source.inner)
        return target

    def _download(self, function: Any, args: Any, kwargs: Any) -> Tensor:
        """`to("cpu")`. Without blocking its result is pinned, and there when the host has waited."""
        source = args[0]
        if kwargs.get("non_blocking"):
            target = self.transfers.pin(torch.empty(source.shape, dtype=kwargs.get("dtype") or source.dtype))
            self._download_into(source, target)
            return target
        self._check_graphs("to", [source.block])
        self.launch("to", [source.block], [])
        self.host_waits("to cpu")
        return function(source.inner, **_on_host(kwargs))

    def _download_into(self, source: DeviceTensor, target: Tensor) -> None:
        self._check_graphs("copy_", [source.block])
        self.launch("copy_", [source.block], [])
        for trace in self._traces:
            trace.operators["download"] += 1
        inner = source.inner
        if (capture := self._recording()) is not None:
            capture.keep(source.block, None)
            run = lambda stream: self.transfers.download(stream, inner, target)  # noqa: E731
            self._record(GraphNode("download", (source.block,), (), run))
        else:
            self.transfers.download(self.streams[-1], inner, target)

    def _note_upload(self, source: Tensor, *, is_async: bool) -> None:
        if is_async and self.transfers.is_pinned(source):
            for trace in self._traces:
                trace.pinned[place()] += 1
            if self._recording() is None:
                self.transfers.upload(self.streams[-1], source)
            return
        self.refuse_in_capture("a copy from memory that is not pinned, or one that is waited for")
        for trace in self._traces:
            trace.uploads[place()] += 1
        stream = self.streams[-1]
        self.host_knows({stream: stream.number, **stream.known})

    # Captures

    def _recording(self) -> Capture | None:
        capture = self.capture
        return capture if capture is not None and self.streams[-1] in capture.streams else None

    def _record(self, node: GraphNode) -> None:
        capture = self._recording()
        assert capture is not None
        capture.graph.nodes.append(node)

    def _check_graphs(self, name: str, blocks: list[Block]) -> None:
        """Refuse what lies in the memory of a graph and is not there."""
        if (capture := self._recording()) is not None:
            capture.check(name, blocks)
        elif any(block.graph is not None and not block.graph.is_replayed for block in blocks):
            raise CaptureError(
                f"{name} uses a tensor that was allocated while a graph was captured, and the graph was not replayed: "
                "nothing is in it"
            )

    # In place of torch.cuda

    def __enter__(self) -> PretendCuda:
        torch._C._ensureCUDADeviceGuardSet()
        for kind in (Stream, Event, CUDAGraph):
            kind.gpu = self
        DeviceTensor.run = self.run  # type: ignore[method-assign]
        for name, value in self._replacements().items():
            self._stack.enter_context(_replaced(torch.cuda, name, value))
        begin = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

        def bootstrap(thread: threading.Thread) -> None:
            torch._C._set_only_lift_cpu_tensors(True)  # it is the thread's
            with _Mode(self):
                begin(thread)

        self._stack.enter_context(_replaced(threading.Thread, "_bootstrap_inner", bootstrap))
        # Numbers of Python become tensors on the host first, and are then moved where it can be seen.
        torch._C._set_only_lift_cpu_tensors(True)
        self._stack.callback(torch._C._set_only_lift_cpu_tensors, False)
        # Parameters of modules are replaced when they are moved: their type changes.
        before = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        self._stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, before)
        self._stack.enter_context(_Mode(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _replacements(self) -> dict[str, Any]:
        memory = self.memory
        properties = SimpleNamespace(
            name="Pretended GPU", total_memory=memory.total, major=9, minor=0, multi_processor_count=132
        )

        @contextmanager
        def stream(entered: Stream | None) -> Iterator[None]:
            if entered is None:
                yield
                return
            with entered:
                yield

        return {
            "_lazy_init": lambda: None,
            "init": lambda: None,
            "is_available": lambda: True,
            "is_initialized": lambda: True,
            "device_count": lambda: 1,
            "current_device": lambda: 0,
            "set_device": lambda device: None,
            "get_device_name": lambda device=None: properties.name,
            "get_device_properties": lambda device=None: properties,
            "get_device_capability": lambda device=None: (properties.major, properties.minor),
            "is_bf16_supported": lambda including_emulation=True: True,
            "synchronize": self.synchronize,
            "Stream": self.new_stream,
            "Event": Event,
            "stream": stream,
            "current_stream": lambda device=None: self.streams[-1],
            "default_stream": lambda device=None: self._default,
            "CUDAGraph": CUDAGraph,
            "graph": graph,
            "graph_pool_handle": object,
            "is_current_stream_capturing": lambda: self._recording() is not None,
            "empty_cache": memory.empty_cache,
            "mem_get_info": lambda device=None: memory.info(),
            "memory_allocated": lambda device=None: memory.allocated,
            "memory_reserved": lambda device=None: memory.reserved,
            "max_memory_allocated": lambda device=None: memory.most_allocated,
            "max_memory_reserved": lambda device=None: memory.most_reserved,
            "reset_peak_memory_stats": lambda device=None: memory.reset_peaks(),
            "set_per_process_memory_fraction": lambda share, device=None: memory.limit(share),
        }


class _Mode(TorchDispatchMode):
    """Gives every operator of a thread to the device."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to hide operators from the compiler, torch would import it, which takes seconds."""
        return False

    def __init__(self, gpu: PretendCuda) -> None:
        super().__init__()
        self._gpu = gpu

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._gpu.run(func, args, kwargs or {})


class _Identity:
    """Whether a tensor is one of some, itself and not its values."""

    def __init__(self, some: list[DeviceTensor]) -> None:
        self._ids = {id(tensor) for tensor in some}

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._ids


def _inner(tensor: Tensor) -> Tensor:
    return tensor.inner if isinstance(tensor, DeviceTensor) else tensor


def _on_host(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords for the CPU, where the values are."""
    changed = dict(kwargs)
    if changed.get("device") is not None:
        changed["device"] = CPU
    for name in ("pin_memory", "non_blocking"):
        if name in changed:
            changed[name] = False
    return changed


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() or id(tensor)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
