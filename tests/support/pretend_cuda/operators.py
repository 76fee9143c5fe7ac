"""What CUDA asks of an aten operator: pure facts of its schema, and the rules for its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from .tensor import DeviceTensor

aten: Any = torch.ops.aten

WHOLE = frozenset(
    {"lstm", "gru", "scaled_dot_product_attention", "rms_norm", "stft", "istft", "pin_memory", "is_pinned"}
)
"""Composites that are one operator here: a GPU has kernels of its own for most."""

_NO_KERNEL = frozenset(
    {"empty", "empty_strided", "new_empty", "new_empty_strided", "empty_like", "_unsafe_view", "detach_"}
    | {"is_pinned", "pin_memory", "_has_compatible_shallow_copy_type"}
)
SYNCHRONOUS = frozenset(
    {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_dim", "unique_consecutive"}
)
"""Operators whose result the host waits for: a number, or a shape that depends on values."""

_ONE_FORMAT = frozenset(
    {"mm", "addmm", "bmm", "baddbmm", "convolution", "native_layer_norm", "native_group_norm", "lstm", "gru"}
    | {"scaled_dot_product_attention", "rms_norm", "_fft_r2c"}
)
"""Operators whose floating arguments have to be of one format; on a CPU some of them mix formats."""
LENGTHS_ON_HOST = frozenset({"_pack_padded_sequence", "_pad_packed_sequence", "lstm", "gru"})
"""Operators that take and give numbers of rows or steps on the host: int64."""
_ON_THE_HOST = frozenset({"mkldnn", "quantized", "onednn"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What the schema says of an operator.

    Attributes:
        name: Without its namespace, if that is aten, and its overload
        is_composite: It is made of other operators
        is_view: Its result lies in the memory of an argument
        has_kernel: The device does something
        written: Positions and names of the arguments that it changes
    """

    name: str
    is_composite: bool
    is_view: bool
    has_kernel: bool
    written: tuple[tuple[int, str], ...]


@cache
def facts(function: Any) -> Facts:
    """The facts of an operator."""
    schema = function._schema
    name = schema.name.removeprefix("aten::")
    is_view = any(result.alias_info is not None and not result.alias_info.is_write for result in schema.returns)
    return Facts(
        name=name,
        is_composite=name not in WHOLE
        and torch._C._dispatch_has_kernel_for_dispatch_key(function.name(), "CompositeImplicitAutograd"),
        is_view=is_view,
        has_kernel=not is_view and name not in _NO_KERNEL,
        written=tuple(
            (place, argument.name)
            for place, argument in enumerate(schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        ),
    )


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors among arguments or results."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors(part)


def mapped(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same arguments or results with changed tensors."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        return type(value)([mapped(part, change) for part in value])
    if isinstance(value, dict):
        return {key: mapped(part, change) for key, part in value.items()}
    return value


def check(name: str, tags: Sequence[Any], args: Any, kwargs: Any) -> None:
    """Refuse what CUDA refuses.

    Raises:
        RuntimeError: Tensors of two devices or of two formats
    """
    if name.endswith("_") and torch.Tag.inplace_view in tags and name != "detach_":
        raise NotImplementedError(f"{name} changes the shape of a tensor in place: the pretended device cannot follow")
    if name.partition("::")[0] in _ON_THE_HOST and "::" in name:
        raise RuntimeError(f"{name} runs on CPUs only, and got tensors on cuda:0")
    # Indices on the host are copied by torch itself, values are not.
    checked = (
        (args[0], args[2:]) if name in ("index", "index_put", "index_put_", "_index_put_impl_") else (args, kwargs)
    )
    found = list(tensors(checked))
    if name in LENGTHS_ON_HOST:
        found = [t for t in found if t.dtype != torch.int64]
    if name != "copy_" and any(t.dim() and not isinstance(t, DeviceTensor) for t in found):
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, but found cuda:0 and cpu")
    if name in ("index_put", "index_put_") and args[2].dtype != args[0].dtype:
        raise RuntimeError(f"{name}: the source is {args[2].dtype}, the destination {args[0].dtype}")
    if name in _ONE_FORMAT:
        formats = {t.dtype for t in found if t.is_floating_point() and t.dim()}
        if len(formats) > 1:
            raise RuntimeError(f"{name}: expected one number format, but found {sorted(map(str, formats))}")


def host_indices(name: str, args: Any) -> bool:
    """Whether indices lie on the host: they are copied to the device first."""
    return name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
        not isinstance(t, DeviceTensor) for t in tensors(args[1])
    )


def waits_for_shape(name: str, args: Any) -> bool:
    """Whether the host waits for the operator: for a number, or for a shape that depends on values."""
    if name in SYNCHRONOUS:
        return True
    if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
        return any(t.dtype in (torch.bool, torch.uint8) for t in tensors(args[1]))
    return name == "repeat_interleave" and len(args) == 1
