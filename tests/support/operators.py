"""Counts the operators that a piece of code launches, as a GPU's host has to."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class OperatorCount(TorchDispatchMode):
    """Operators by name, views left out.

    An operator that torch composes of others is counted as what it holds on this device: `rms_norm` on a CPU is six.
    Kernels that are launched past torch's dispatcher are not seen.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to hide operators from the compiler, torch would import it, which takes seconds."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.by_name: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """All of them."""
        return self.by_name.total()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count the operator, or what it is composed of."""
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            with self:
                result = func.decompose(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        aliases = [argument.alias_info for argument in func._schema.arguments if argument.alias_info is not None]
        if not aliases or any(alias.is_write for alias in aliases):
            self.by_name[func.name()] += 1
        return func(*args, **(kwargs or {}))
