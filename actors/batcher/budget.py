"""The memory that a replica's batches may take, and the arithmetic behind it in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """Memory of one replica, in bytes.

    Attributes:
        total: Memory of the device
        others: Memory that other processes held when it was measured
        utilization: Share of the memory that may be used, above 0 and up to 1
        share: Share of the device that this replica has, above 0 and up to 1
        resident: Memory that the model holds at rest
        beside: Memory kept free for clips that wait for the encoder
        context: Memory that the driver of a shared device takes for each process, which the measured memory leaves out
    """

    total: int
    others: int
    utilization: float
    share: float
    resident: int
    beside: int = 0
    context: int = 0

    @property
    def bound(self) -> int:
        """The most that the replica may hold at any moment.

        Replicas that share a device do not change each other's bounds, whichever starts first: all that they hold is
        at most `utilization` of the device, so the others leave each its share. Only other programs can lower it.
        """
        of_share = self.utilization * self.share * self.total - self.context
        return max(0, int(min(of_share, self.utilization * (self.total - self.others))))

    @property
    def usable(self) -> int:
        """The most that a batch may take at its peak, beyond the memory held at rest."""
        return max(0, self.bound - self.resident - self.beside)

    def explain(self) -> str:
        """The bound and what is left of it, in words."""
        share = f" · share {self.share:.3g}" if self.share < 1 else ""
        others = f" (others hold {size(self.others)})" if self.others else ""
        beside = f" - {size(self.beside)} for waiting clips" if self.beside else ""
        context = f" - {size(self.context)} of CUDA" if self.context else ""
        return (
            f"{size(self.total)} of the device{others} · vram_utilization {self.utilization:g}{share}{context} "
            f"= {size(self.bound)}; - {size(self.resident)} at rest{beside} = {size(self.usable)} for a batch"
        )


def size(num_bytes: float) -> str:
    """Bytes as text, in the largest fitting unit."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if num_bytes >= 2**power:
            return f"{num_bytes / 2**power:.2f} {unit}" if power == 30 else f"{num_bytes / 2**power:.1f} {unit}"
    return f"{num_bytes:.0f} bytes"
