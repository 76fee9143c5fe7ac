"""The recordings that rows name as their voices, as one replica reads them for one job.

Guaranteed: memory holds few clips, whatever their number: one is read again when its row is spoken. (A model that
speaks step by step has those of all rows of a call until it ends.) A clip in an object
store is fetched once on a machine for each run, by whichever replica needs it first; it lies on the machine's disk from
then on. A clip that cannot be used rejects the rows that name it, and no other. Not known here: models.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ...errors import RowRejected
from ..audio.reference_clip import MAX_BYTES, decode_reference
from ..device.disk_cache import DiskCache
from ..models.base import Model
from ..records.reference import ClipStore, NamedClip, Reference
from ..records.utterance import Segment, Utterance

KIND = "clips"
MEMORY_BYTES = 64 << 20
"""Of the decoded clips that a replica holds."""
DISK_BYTES = 4 << 30
"""Of all clips on the disk; the oldest ones go first."""
_THREADS = 8
_LOCK_S = 120.0
_FAULT_BYTES = 1_000


class References:
    """The clips of a job.

    Args:
        clips: Reads them
        seconds: Shortest and longest clip that the model takes
        run: A name of this run: another run fetches anew, so it sees clips that were replaced
        folder: Of what is fetched; by default that of the machine's cache
    """

    def __init__(self, clips: ClipStore, seconds: tuple[float, float], run: str, folder: Path | None = None) -> None:
        self._clips, self._seconds, self._run = clips, seconds, run
        self._disk = DiskCache(KIND, folder)
        self._held: OrderedDict[tuple[str, str], Reference | RowRejected] = OrderedDict()
        self._held_bytes = 0
        self._guard = threading.Lock()
        self._num_fetched = 0

    def read(self, utterances: Sequence[Utterance]) -> dict[int, RowRejected]:
        """Read the clips of these rows by several threads; what is wrong with them, by row.

        Raises:
            RunStopped: The store does not answer
        """
        named = {utterance.row: utterance.reference for utterance in utterances if utterance.reference is not None}
        different = list(dict.fromkeys(named.values()))
        if not different:
            return {}
        with ThreadPoolExecutor(min(_THREADS, len(different)), "clips") as threads:
            faults = dict(zip(different, threads.map(self._fault, different), strict=True))
        return {row: fault for row, clip in named.items() if (fault := faults[clip]) is not None}

    def of(self, named: NamedClip) -> Reference:
        """The clip that a row names.

        Raises:
            RowRejected: It cannot be used; the message names it
            RunStopped: The store does not answer
        """
        outcome = self._outcome(named)
        if isinstance(outcome, RowRejected):
            raise RowRejected(str(outcome))  # a new one: the one that is held would hold the frames of each raise
        return outcome

    def _fault(self, named: NamedClip) -> RowRejected | None:
        outcome = self._outcome(named)
        return outcome if isinstance(outcome, RowRejected) else None

    def _outcome(self, named: NamedClip) -> Reference | RowRejected:
        location = self._clips.location(named)
        key = location, named.text
        with self._guard:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        outcome: Reference | RowRejected
        try:
            outcome = decode_reference(self._fetched(location), named.text, self._seconds)
        except RowRejected as error:
            outcome = RowRejected(f"reference {location!r:.300}: {error}")
        self._hold(key, outcome)
        return outcome

    def _fetched(self, location: str) -> bytes:
        """The bytes of a clip, from the disk where another replica of the run has fetched it."""
        if not location.startswith("s3://"):
            return self._clips.read(location, MAX_BYTES)
        name = hashlib.sha256(f"{self._run}\0{location}".encode("utf-8", "surrogatepass")).hexdigest()[:40]
        found = self._disk.read_bytes(name, bytes)
        if found is not None:
            return found
        with self._disk.exclusive(name[:2], _LOCK_S):
            found = self._disk.read_bytes(name, bytes)
            if found is None:
                found = self._clips.read(location, MAX_BYTES)
                self._disk.write_bytes(name, found)
                self._num_fetched += 1
                if self._num_fetched % 256 == 1:
                    self._disk.keep_newest("?" * 40, DISK_BYTES)
        return found

    def _hold(self, key: tuple[str, str], outcome: Reference | RowRejected) -> None:
        with self._guard:
            if key not in self._held:
                self._held[key] = outcome
                self._held_bytes += _size(outcome)
            while self._held_bytes > MEMORY_BYTES and len(self._held) > 1:
                self._held_bytes -= _size(self._held.popitem(last=False)[1])


def _size(outcome: Reference | RowRejected) -> int:
    return outcome.samples.nbytes if isinstance(outcome, Reference) else _FAULT_BYTES


class SpokenReferences:
    """The clips of the rows of one call, and those of the model's presets.

    Args:
        references: Of the job; None where its rows name none
    """

    def __init__(self, references: References | None, model: Model) -> None:
        self._references, self._model = references, model

    def read(self, utterances: Sequence[Utterance]) -> dict[int, RowRejected]:
        """Read the clips of these rows, so that they lie on this machine; what is wrong with them, by row.

        Raises:
            RunStopped: The store does not answer
        """
        if self._references is not None:
            return self._references.read(utterances)
        fault = RowRejected(f"{self._model.info.name} speaks with no voices of recordings")
        return {utterance.row: fault for utterance in utterances if utterance.reference is not None}

    def of(self, named: NamedClip | None) -> Reference | None:
        """The clip that a row names; None if it names none.

        Raises:
            RowRejected: It cannot be used; the message names it
        """
        return None if named is None or self._references is None else self._references.of(named)

    def with_clip(self, segment: Segment, named: NamedClip | None) -> Segment:
        """A segment as the model is given it: with the clip that its row names, or that its voice stands for.

        Raises:
            RowRejected: The clip can no longer be used; the message names it
        """
        clip = self.of(named) or self._model.preset(segment.voice or self._model.info.default_voice)
        return segment if clip is None else replace(segment, reference=clip)
