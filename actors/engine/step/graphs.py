"""Steps as CUDA graphs: the host starts one thing and not a thousand.

A step of one shape is captured when it is first computed, and replayed from then on. Elsewhere than on CUDA the same
function is called at every step. Guaranteed: capturing computes nothing, so every step is computed once. If a capture
fails, steps of new shapes are computed operator by operator from then on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import torch

from .shape import StepShape

logger = logging.getLogger(__name__)

_capturing = threading.Lock()
"""Of all engines: PyTorch captures on one stream of the process, and engines of several tasks have several threads."""


class StepGraphs:
    """The captured steps of one engine, for as long as it lives.

    Args:
        step: Computes a step of this shape. It reads and writes tensors that stay where they are, waits for nothing,
            and what it does depends on the shape and on these tensors alone
    """

    def __init__(self, step: Callable[[StepShape], None], device: torch.device) -> None:
        self._step, self._is_captured = step, device.type == "cuda"
        self._graphs: dict[StepShape, torch.cuda.CUDAGraph] = {}
        # Graphs of one engine never run at the same time, so what is in between may lie in the same memory.
        self._pool = torch.cuda.graph_pool_handle() if self._is_captured else None

    @property
    def num_captured(self) -> int:
        """The number of shapes that are replayed."""
        return len(self._graphs)

    def run(self, shape: StepShape) -> None:
        """Compute a step."""
        graph = self._graphs.get(shape)
        if graph is not None:
            graph.replay()
            return
        # The step itself is what warms up: workspaces and kernels are there when it is captured.
        self._step(shape)
        if not self._is_captured:
            return
        began = time.perf_counter()
        try:
            self._graphs[shape] = self._capture(shape)
        except RuntimeError as error:
            # Rows need no graph, so they do not fail with it: out of memory, or something that a graph cannot hold.
            self._is_captured = False
            logger.warning("new steps are computed without CUDA graphs, slower: %s not captured: %.300s", shape, error)
        else:
            logger.debug("a step of %s captured in %.3f s", shape, time.perf_counter() - began)

    def _capture(self, shape: StepShape) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        # The outer block restores the stream also if the end of a capture fails. Other threads may decode meanwhile:
        # what they ask of CUDA does not disturb this capture.
        with (
            _capturing,
            torch.cuda.stream(torch.cuda.current_stream()),
            torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),
        ):
            self._step(shape)
        return graph
