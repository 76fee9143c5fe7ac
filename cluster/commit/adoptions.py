"""Which commits count, in little room: by their numbers in each run, and by a digest of their manifests' names.

Guaranteed: sets are values; what they hold does not depend on the order in which it was added. Not known here: which
run adopts them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from ...errors import JobError
from .names import Stamp

MAX_SKIPPED = 1 << 16
"""Numbers of one run that do not count. A run leaves a few open; more are names that no run gave."""
_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class Adopted:
    """Numbers of the commits of one earlier run that count: all up to `last` but the skipped ones, which ascend."""

    last: int = -1
    skipped: tuple[int, ...] = ()

    def __contains__(self, number: int) -> bool:
        place = bisect_left(self.skipped, number)
        return 0 <= number <= self.last and self.skipped[place : place + 1] != (number,)

    def __len__(self) -> int:
        return self.last + 1 - len(self.skipped)

    def plus(self, numbers: Iterable[int]) -> Adopted:
        """With these numbers too.

        Raises:
            JobError: If far too many would be skipped
        """
        added = set(numbers)
        last = max(self.last, *added, -1)
        if last - self.last - len(added) + len(self.skipped) > MAX_SKIPPED:
            raise JobError(
                f"a manifest has the number n{last} where about n{self.last + len(added)} is expected: no run gave it; "
                "remove that manifest, or start anew with --overwrite"
            )
        skipped = set(self.skipped).union(range(self.last + 1, last + 1)) - added
        return Adopted(last, tuple(sorted(skipped)))


NO_NUMBERS = Adopted()
Adoptions = tuple[tuple[int, Adopted], ...]
"""By run, ascending."""


def adopt(adopted: Adoptions, stamps: Iterable[Stamp]) -> Adoptions:
    """With the commits of these stamps too."""
    numbers: dict[int, list[int]] = {}
    for stamp in stamps:
        if stamp.number is not None:
            numbers.setdefault(stamp.run, []).append(stamp.number)
    runs = dict(adopted)
    for run, some in numbers.items():
        runs[run] = runs.get(run, NO_NUMBERS).plus(some)
    return tuple(sorted(runs.items(), key=lambda item: item[0]))


@dataclass(frozen=True, slots=True)
class NameDigest:
    """Of a set of keys, in any order: their number, and the sum of their BLAKE2b-256 modulo 2**256."""

    num_names: int = 0
    total: int = 0

    def plus(self, keys: Iterable[str]) -> NameDigest:
        """With these keys, none of which is in it yet."""
        num_names, total = self.num_names, self.total
        for key in keys:
            num_names += 1
            total += int.from_bytes(blake2b(key.encode(), digest_size=32).digest())
        return NameDigest(num_names, total % _MODULUS)


NO_NAMES = NameDigest()
