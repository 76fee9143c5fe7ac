"""Whether rows have drawn their ends: copied to the host behind a step, read when the next step has been started.

Guaranteed: what is read is what the step drew, however many steps were started since, up to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class UnreadEnds:
    """The ends of one step.

    Attributes:
        host: Bool [rows] in main memory, written once `event` has come; None without CUDA, where it is there at once
    """

    host: Tensor
    event: torch.cuda.Event | None

    def read(self) -> list[bool]:
        """Whether each row has drawn its end; waits for the step, and not for those that were started after it."""
        if self.event is not None:
            self.event.synchronize()
        return self.host.tolist()


class EndCopier:
    """Copies ends to pinned memory, so that the host does not wait. Two steps may be unread at once."""

    def __init__(self, slots: int, device: torch.device) -> None:
        self._is_cuda = device.type == "cuda"
        self._hosts = [torch.zeros(slots, dtype=torch.bool, pin_memory=self._is_cuda) for _ in range(2)]

    def copy(self, is_end: Tensor) -> UnreadEnds:
        """Copy bool [rows], once the step that writes it is done."""
        host = self._hosts[0][: len(is_end)]
        self._hosts.reverse()
        host.copy_(is_end, non_blocking=self._is_cuda)
        if not self._is_cuda:
            return UnreadEnds(host, None)
        event = torch.cuda.Event()
        event.record()
        return UnreadEnds(host, event)
