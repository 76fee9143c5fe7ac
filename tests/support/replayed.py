"""Steps that are recorded once and replayed, operator by operator, as a CUDA graph is: on the CPU.

What Python decides while a step is recorded stays as it was. So a number that was read from the host, or a tensor that
another call has made, shows as wrong codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from speechmill.actors.engine.step.shape import StepShape

READS = {"aten::_local_scalar_dense", "aten::equal", "aten::nonzero", "aten::masked_select"}
"""Operators that tell the host a value: a graph cannot hold them."""


Call = tuple[Any, tuple[Any, ...], dict[str, Any], Any]
"""An operator, its arguments and its result."""


class Recorder(TorchDispatchMode):
    """Records the operators of a block, which computes as always."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to hide operators from the compiler, torch would import it, which takes seconds."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute an operator, and keep it with its tensors."""
        assert func._schema.name not in READS, f"{func} reads a value on the host"
        found = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, found))
        return found

    @property
    def names(self) -> list[str]:
        """The operators that compute: those whose result is no view."""
        return [call[0]._schema.name for call in self.calls if not _is_view(call)]

    def replay(self) -> None:
        """Compute all again, from the same tensors into the same tensors."""
        for call in self.calls:
            if _is_view(call):
                continue
            func, args, kwargs, before = call
            found = func(*args, **kwargs)
            for old, new in zip(tree_leaves(before), tree_leaves(found), strict=True):
                if isinstance(old, Tensor) and old is not new:
                    old.copy_(new)


def _is_view(call: Call) -> bool:
    """Whether a call computed nothing; operators like `reshape` copy in some cases only."""
    func, args, kwargs, found = call
    if func._schema.is_mutable:
        return False
    given = {
        tensor.untyped_storage().data_ptr() for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)
    }
    made = [tensor for tensor in tree_leaves(found) if isinstance(tensor, Tensor) and tensor.numel()]
    return all(tensor.untyped_storage().data_ptr() in given for tensor in made)


class ReplayedSteps:
    """In the place of `StepGraphs`."""

    def __init__(self, step: Callable[[StepShape], None]) -> None:
        self._step = step
        self.recorded: dict[StepShape, Recorder] = {}
        self.num_replayed = 0

    def run(self, shape: StepShape) -> None:
        """Compute a step: the first of its shape is recorded."""
        if shape in self.recorded:
            self.num_replayed += 1
            self.recorded[shape].replay()
            return
        with Recorder() as recorder:
            self._step(shape)
        self.recorded[shape] = recorder
