"""A CUDA device for tests on machines that have none: `with PretendCuda() as gpu`, or the fixture `pretend_cuda`.

Tensors say that they are on cuda:0, and are computed on the CPU. At every aten operator CUDA's rules are checked:

- devices and number formats of the arguments (`operators.py`)
- the order of streams: what one stream writes and another reads without waiting for it is an error (`streams.py`)
- pinned memory: what is copied there without waiting appears only when the host has waited (`transfers.py`)
- memory: allocations are counted, and those beyond the device's memory fail (`memory.py`)
- captured graphs: a captured operator changes nothing, a replay executes the record on the same tensors, so what Python
  decided while capturing shows; waits, copies from memory that is not pinned and memory that another graph owns are
  refused (`graphs.py`)

`gpu.trace()` counts operators, waits of the host and copies from it. A kernel of one's own is seen if it is an operator
of `torch.library`; its implementation for the CPU runs then.

Not seen: speed, the rounding of a GPU's kernels, races between kernels of one stream, memory that a graph's pool uses
again, kernels that are launched past torch's operators, and what torch.compile makes for a GPU.
"""

from .device import PretendCuda
from .graphs import CaptureError
from .streams import StreamOrderError
from .trace import Trace

__all__ = ["CaptureError", "PretendCuda", "StreamOrderError", "Trace"]
