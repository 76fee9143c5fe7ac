"""One driver per output: the lease in `driver.json`, renewed by a thread as long as the driver lives.

Guaranteed, where the store keeps the promise of `put_if`: of the drivers that take an output one holds it; a holder
whose process is paused, whose store is away for too long or whose lease is taken finds out in `check`. A driver that
was killed is replaced at once from its own machine, from another one when its lease has run out. Where the store
keeps no conditions, that is logged, and drivers that start in the same moment may overlap until the next renewal.
Deliberately not known: what the output holds. Between `check` and a write that follows it nothing is locked.
"""

from __future__ import annotations

import logging
import secrets
import threading
from dataclasses import replace
from importlib.metadata import version
from types import TracebackType
from typing import Self

from ...errors import JobError, LeaseLost, SpeechmillError, StorageConflict
from ..storage import Storage
from .acquire import challenge, verdict_on
from .clocks import REAL, Clocks
from .file import LeaseFile
from .process import this_process
from .record import MAX_LEASE_S, LeaseRecord
from .rules import RENEW, TRUST, LeaseTerm, Verdict, Watch

logger = logging.getLogger(__name__)

LEASE_S = 60.0
_RELEASE_S = 10.0
"""How long `release` waits for a renewal that is under way."""
_ANSWERS = 3
"""How often our own state may be found under a tag that we never heard of, before that counts as a failed try."""


class Lease:
    """The right to write one output. Made by `take`; ends with `release`, or with its `with` block."""

    def __init__(self, file: LeaseFile, holder: LeaseRecord, tag: str, begun_s: float, clocks: Clocks) -> None:
        """`begun_s`: by `clocks.boot_s`, before `tag` was written."""
        self.holder = holder
        self.is_exclusive = file.is_exclusive
        self._file = file
        self._tag = tag
        self._clocks = clocks
        self._term = LeaseTerm(holder.lease_s, begun_s)
        self._lost: str | None = None
        self._writing = threading.Lock()
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    @classmethod
    def take(cls, storage: Storage, *, wait_s: float = 0.0, lease_s: float = LEASE_S, clocks: Clocks = REAL) -> Self:
        """Take the lease, over from a driver that is dead if need be.

        Args:
            storage: The output.
            wait_s: How long to wait for a driver that is alive. To find out whether one is takes no time on its own
                machine; elsewhere a third of its lease if it is, all of it if it is not.
            lease_s: How long the lease lasts from each renewal, at most an hour.
            clocks: Those of this machine.

        Raises:
            OutputBusy: Another driver is alive.
            StorageDenied: The output cannot be written.
            StorageUnavailable: The store does not answer.
        """
        if not 0 < lease_s <= MAX_LEASE_S:
            raise ValueError(f"lease_s is {lease_s}; it has to be more than 0 and at most {MAX_LEASE_S:g}")
        is_exclusive = storage.can_put_if()
        if not is_exclusive:
            logger.warning(
                "%s keeps no conditions on writes (or its file system has no links): two runs that start on this "
                "output in the same moment may overlap for %.0f s; start one at a time",
                storage.uri,
                lease_s * RENEW,
            )
        file = LeaseFile(storage, is_exclusive=is_exclusive)
        now_s = clocks.wall_s()
        holder = LeaseRecord(
            id=secrets.token_hex(8),
            process=this_process(),
            version=version("speechmill"),
            since_s=now_s,
            renewed_s=now_s,
            lease_s=lease_s,
            beat=0,
            beat_s=clocks.awake_s(),
        )
        return cls(file, *challenge(file, holder, wait_s, clocks), clocks)

    @staticmethod
    def read(storage: Storage, clocks: Clocks = REAL) -> LeaseRecord | None:
        """Who drives an output, as far as one look tells; None if no driver does. Writes nothing.

        A driver on another machine that died without giving its lease back is still named: `renewed_s` says when it was
        last heard of.

        Raises:
            JobError: For an object that is none of ours
        """
        file = LeaseFile(storage)
        found = file.read()
        if found is None:
            return None
        if found.holder is None:
            raise JobError(f"{file.location} cannot be read; delete it if no run writes this output")
        now_s = clocks.awake_s()
        return None if verdict_on(found, Watch(found.tag, now_s), now_s, LEASE_S) is Verdict.FREE else found.holder

    def check(self) -> None:
        """Return if the output is still ours alone to write.

        Costs nothing while renewals go through. When the last one is too old (the process or the machine slept), the
        store is asked: a lease that no other driver took meanwhile goes on.

        Raises:
            LeaseLost: Another driver has the lease; from then on always
        """
        term = self._term
        if self._lost is None and not term.holds(self._clocks.boot_s()):
            self._renew(term, self.holder.lease_s * (1 - TRUST))
        if self._lost is not None:
            raise LeaseLost(self._lost)

    def release(self) -> None:
        """Give the lease back: the next driver need not wait. Raises nothing: what fails here ends by itself."""
        self._released.set()
        if not self._writing.acquire(timeout=_RELEASE_S):
            logger.warning("%s is not given back, as a renewal hangs; it runs out by itself", self._file.location)
            return
        try:
            if self._lost is None:
                self._lost = f"{self._file.location} was given back"
                self._write(is_released=True)
        except SpeechmillError as error:
            logger.warning("%s is not given back; it runs out by itself: %s", self._file.location, error)
        finally:
            self._writing.release()
        self._thread.join(_RELEASE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _keep(self) -> None:
        while self._lost is None and not self._released.wait(self._term.pause_s(self._clocks.boot_s())):
            self._renew(self._term)

    def _renew(self, seen: LeaseTerm, patience_s: float = -1) -> None:
        """Try once to renew, unless another thread tried since `seen`; `_lost` says if that was the end."""
        if not self._writing.acquire(timeout=patience_s):
            self._lost = f"{self._file.location} could not be renewed in time: the store gives no answer"
            return
        try:
            if self._lost is not None or self._term is not seen:
                return
            begun_s = self._clocks.boot_s()
            try:
                self._write()
                self._term = seen.confirmed(begun_s)
            except LeaseLost as error:
                self._lost = str(error)
            except SpeechmillError as error:
                self._term = seen.failed(begun_s)
                if not seen.holds(self._clocks.boot_s()):
                    self._lost = f"{self._file.location} could not be renewed in time: {error}"
        finally:
            self._writing.release()

    def _write(self, *, is_released: bool = False) -> None:
        """Write the next state over our last one.

        Raises:
            LeaseLost: If that is not there any more
        """
        self.holder = replace(
            self.holder,
            renewed_s=self._clocks.wall_s(),
            beat=self.holder.beat + 1,
            beat_s=self._clocks.awake_s(),
            is_released=is_released,
        )
        for _ in range(_ANSWERS):
            try:
                self._tag = self._file.write(self.holder, self._tag)
                return
            except StorageConflict as error:
                # It is ours under another tag when the answer to an earlier try got lost.
                self._tag = self._own_tag(error)
        raise StorageConflict(f"writing {self._file.location}: refused again and again")

    def _own_tag(self, conflict: StorageConflict) -> str:
        found = self._file.read()
        if found is not None and found.holder is not None and found.holder.id == self.holder.id:
            return found.tag
        if found is None:
            reason = "was deleted while this run wrote its output"
        elif found.holder is None:
            reason = "was overwritten by something else"
        else:
            reason = f"was taken over by {found.holder}, as this run did not renew it in time"
        raise LeaseLost(f"{self._file.location} {reason}; this run commits nothing more") from conflict
