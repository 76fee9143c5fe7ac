"""A tensor that claims to be on cuda:0, around one on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .graphs import CUDAGraph
    from .memory import DeviceMemory
    from .streams import Stream

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")


class Block:
    """The memory of one allocation, shared by all views of it.

    Attributes:
        written: The stream that wrote it last, and the number of the operator on that stream
        reads: The last operator of each stream that has read it since
        graph: The graph during whose capture it was allocated
    """

    __slots__ = ("_memory", "graph", "num_bytes", "reads", "written")

    def __init__(self, num_bytes: int, memory: DeviceMemory, graph: CUDAGraph | None) -> None:
        memory.allocate(num_bytes)
        self._memory, self.num_bytes, self.graph = memory, num_bytes, graph
        self.written: tuple[Stream, int] | None = None
        self.reads: dict[Stream, int] = {}

    def __del__(self) -> None:
        # Not there if the memory did not suffice.
        if (memory := getattr(self, "_memory", None)) is not None:
            memory.free(self.num_bytes)


class DeviceTensor(Tensor):
    """What the code under test gets for a tensor on cuda:0.

    Attributes:
        inner: The tensor on the CPU that holds the values, of the same shape, strides and offset
        block: Its memory
    """

    inner: Tensor
    block: Block
    run: ClassVar[Callable[..., Any]]
    """Executes an operator: `PretendCuda.run` of the device that is active."""

    @staticmethod
    def __new__(cls, inner: Tensor, block: Block) -> DeviceTensor:
        # Torch gives views of it a counter of versions, which a tensor of inference mode has no place for.
        with torch.inference_mode(False):
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                inner.size(),
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                layout=inner.layout,
                device=CUDA,
            )
        made.inner, made.block = inner, block
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return cls.run(function, args, kwargs or {})

    # What torch answers for subclasses without asking its dispatcher:

    def tolist(self) -> Any:
        """Nested lists of the values; the host waits for them."""
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """An array of a copy if `force`.

        Raises:
            TypeError: As torch does for a tensor on a GPU
        """
        if force:
            return self.cpu().numpy()
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor first.")

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        return self.numpy()

    def record_stream(self, stream: Stream) -> None:
        """Tell the allocator that a stream uses the memory; nothing is freed early here."""

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"DeviceTensor({self.inner!r})"
