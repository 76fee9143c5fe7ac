"""The plan log: the plan of each window, kept in the output, so that a continued run need not read the window again.

Guaranteed: a plan that is read back was written whole, by a run of the same job over the same corpus with the same cost
estimates. Any other object counts as missing, and so do all chunks after it. The log only saves reading: the manifests
alone decide which parts are done. So a thread writes it while planning goes on, and a driver that dies before the write
plans those windows again.

`plan/000000.json` holds the windows of one chunk and is written anew for each of them. `plan/000000.ids` holds the
hashes of the ids of a full chunk, 8 bytes each, if the rows of the corpus have ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import count
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ...actors.records.keys import PLAN_PREFIX
from ...cluster.storage import Storage
from ...errors import JobError, StorageMissing
from ..corpus import Hashes, Position
from ..corpus.parallel import in_order
from .bounded_read import TooLarge, get_bounded
from .stored import Amount, Count, Stored, checked, parsed

MAX_WINDOWS = 32
MAX_ROWS = 1 << 18
"""A chunk is full with this many windows or rows. If the ids of the last chunk are missing, so many are read again."""
_DIGEST_BYTES = 16
_KEY = re.compile(re.escape(PLAN_PREFIX) + r"[0-9]{6,18}\.(json|ids)")


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """The plan of a window.

    Attributes:
        end: Position in the corpus where the next window begins
        num_parts: Number of manifests of the window once all its rows are committed
        digest: Digest of these parts, see `ledger.window_digest`
        repeated: A bit for each row, set if its id was used before; empty if there are no such rows
        cost_s: Estimated seconds on one replica
        fraction_read: Share of the input's bytes up to the window's end; 1 for the last window
    """

    num_rows: int
    end: Position
    num_parts: int
    digest: str
    repeated: bytes
    cost_s: float
    fraction_read: float

    @property
    def is_last(self) -> bool:
        return self.fraction_read >= 1.0

    @property
    def repeated_rows(self) -> list[int]:
        """Positions in the window of the rows whose ids were used before."""
        return np.flatnonzero(np.unpackbits(np.frombuffer(self.repeated, np.uint8))).tolist()


def bits_of(positions: Sequence[int]) -> bytes:
    """Positions in a window, as the bits of `WindowPlan.repeated`."""
    if not positions:
        return b""
    bits = np.zeros(positions[-1] + 1, np.uint8)
    bits[positions] = 1
    return np.packbits(bits).tobytes()


def is_plan_key(key: str) -> bool:
    """Whether the key belongs to the plan log."""
    return _KEY.fullmatch(key) is not None


def delete_plan(storage: Storage) -> None:
    """Delete the plan log of an output."""
    # Only these keys: the user may have a folder of this name.
    storage.delete(entry.key for entry in storage.list(PLAN_PREFIX) if is_plan_key(entry.key))


class PlanLog:
    """The log of one output.

    Attributes:
        windows: The plans, from the first window on
    """

    def __init__(self, storage: Storage, fingerprint: str, window_rows: int) -> None:
        self.windows: list[WindowPlan] = []
        self.window_rows = window_rows
        self.chunk_windows = max(1, min(MAX_WINDOWS, MAX_ROWS // window_rows))
        self._storage = storage
        self._fingerprint = fingerprint
        self._ids: list[Hashes] = []
        self._writer = ThreadPoolExecutor(1, "plan-log")
        self._written: Future[None] | None = None

    @classmethod
    def read(cls, storage: Storage, fingerprint: str, window_rows: int) -> PlanLog:
        """The log of an output, up to its first missing or damaged chunk.

        Args:
            fingerprint: Changes with every setting that decides how windows are read and cut; a log with another one
                belongs to another job
        """
        log = cls(storage, fingerprint, window_rows)
        for windows in in_order(log._read_chunk, count()):
            log.windows += windows
            if len(windows) < log.chunk_windows or windows[-1].is_last:
                break
        return log

    @property
    def num_chunks(self) -> int:
        return -(-len(self.windows) // self.chunk_windows)

    def start_of(self, window: int) -> Position:
        """Where a window of the log begins, or the one after them."""
        return self.windows[window - 1].end if window else Position()

    def add(self, plan: WindowPlan, ids: Hashes | None) -> None:
        """Append a window and begin to write it. Raises the error of the write before.

        Args:
            ids: Hashes of the ids that are new in this window
        """
        self.windows.append(plan)
        if ids is not None:
            self._ids.append(ids)
        chunk = (len(self.windows) - 1) // self.chunk_windows
        objects = {_key(chunk, "json"): self._encoded(chunk)}
        if len(self.windows) % self.chunk_windows == 0:
            if self._ids:
                # The ids come first: a full chunk in the log then always has them.
                objects = {_key(chunk, "ids"): self._sealed(chunk, np.sort(np.concatenate(self._ids)))} | objects
            self._ids = []
        self.flush()
        self._written = self._writer.submit(self._put, objects)

    def keep_ids(self, ids: Sequence[Hashes]) -> None:
        """Keep the ids of the last chunk of a log that was read, if it is not full: they are written once it is."""
        self._ids = list(ids)

    def flush(self) -> None:
        """Wait until the log is written. Raises the error of the write."""
        if self._written is not None:
            self._written.result()
            self._written = None

    def close(self) -> None:
        """Finish writing, and end the thread."""
        try:
            self.flush()
        finally:
            self._writer.shutdown()

    def read_ids(self, chunk: int) -> Hashes | None:
        """The hashes of the new ids of a chunk, sorted; None if they are missing or damaged."""
        try:
            raw = self._get(_key(chunk, "ids"))
        except StorageMissing:
            return None
        ids = np.frombuffer(raw[_DIGEST_BYTES:], "<u8") if len(raw) % 8 == 0 else np.zeros(0, np.uint64)
        return ids if self._sealed(chunk, ids) == raw else None

    def delete_ids(self) -> None:
        """Delete the hashes of ids, which only planning needs."""
        keys = (entry.key for entry in self._storage.list(PLAN_PREFIX))
        self._storage.delete(key for key in keys if is_plan_key(key) and key.endswith(".ids"))

    def _get(self, key: str) -> bytes:
        """An object of the log.

        Raises:
            StorageMissing: There is no such object, or speechmill cannot have written one of this size
        """
        try:
            return get_bounded(self._storage, key)
        except TooLarge as error:
            raise StorageMissing(str(error)) from error

    def _put(self, objects: dict[str, bytes]) -> None:
        for key, data in objects.items():
            self._storage.put(key, data)

    def _encoded(self, chunk: int) -> bytes:
        first = chunk * self.chunk_windows
        windows = [asdict(plan) | {"repeated": plan.repeated.hex()} for plan in self.windows[first:]]
        body = {"fingerprint": self._fingerprint, "window": first, "windows": windows}
        return json.dumps(body | {"check": self._check(body)}).encode()

    def _check(self, body: dict[str, Any]) -> str:
        return blake2b(json.dumps(body).encode(), digest_size=_DIGEST_BYTES).hexdigest()

    def _sealed(self, chunk: int, ids: Hashes) -> bytes:
        data = ids.astype("<u8", copy=False).tobytes()
        seal = blake2b(f"{self._fingerprint} {chunk} ".encode(), digest_size=_DIGEST_BYTES)
        seal.update(data)
        return seal.digest() + data

    def _read_chunk(self, chunk: int) -> list[WindowPlan]:
        """The windows of a chunk; none if it is missing, damaged or another job's."""
        source = self._storage.location(_key(chunk, "json"))
        try:
            body = parsed(self._get(_key(chunk, "json")), source)
            seal = body.pop("check", None)
            found = checked(_StoredChunk, body, source, "it is planned anew")
            is_ours = (found.fingerprint, found.window) == (self._fingerprint, chunk * self.chunk_windows)
            if not is_ours or seal != self._check(body) or len(found.windows) > self.chunk_windows:
                return []
            plans = [window.plan for window in found.windows]
        except JobError:
            return []
        return plans if all(self._is_possible(plan) for plan in plans) else []

    def _is_possible(self, plan: WindowPlan) -> bool:
        """Whether the plan can be of a window of this job."""
        has_rows = 0 < plan.num_rows <= self.window_rows
        return has_rows and all(row < plan.num_rows for row in plan.repeated_rows[-1:])


class _StoredPosition(Stored):
    file: Count
    offset: Count
    number: Count


class _StoredWindow(Stored):
    num_rows: Count
    end: _StoredPosition
    num_parts: Count
    digest: str
    repeated: Annotated[str, Field(pattern="^([0-9a-f]{2})*$")]
    cost_s: Amount
    fraction_read: Amount

    @property
    def plan(self) -> WindowPlan:
        changed: dict[str, Any] = {
            "end": Position(**self.end.model_dump()),
            "repeated": bytes.fromhex(self.repeated),
        }
        return WindowPlan(**self.model_dump(exclude={"end", "repeated"}), **changed)


class _StoredChunk(Stored):
    fingerprint: str
    window: Count
    windows: list[_StoredWindow]


def _key(chunk: int, kind: str) -> str:
    return f"{PLAN_PREFIX}{chunk:06d}.{kind}"
