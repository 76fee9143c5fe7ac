"""The ids of the windows that were planned before, loaded while those that are not finished are spoken.

They are read back as the plan log keeps them; where that lacks a chunk, and of the last one that is not full, the
rows are read again. Without them no further window can be planned: an id might repeat.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from ...errors import RunStopped
from ..corpus import Corpus, Hashes, IdIndex
from ..corpus.parallel import in_order
from ..output.plan_log import PlanLog
from .windows import no_collection


class IdLoader:
    """Loads the ids of a log's windows in a thread, once it is told to; a log of no windows has none."""

    def __init__(self, corpus: Corpus, log: PlanLog) -> None:
        self._corpus = corpus
        self._log = log
        self._windows = tuple(log.windows)
        self._of_last_chunk: Sequence[Hashes] = ()
        self._is_stopped = False
        self._loaded: Future[IdIndex] = Future()
        # A daemon: a run that is interrupted does not wait for it.
        self._thread = threading.Thread(target=self._run, name="planned-ids", daemon=True)
        self._is_started = False

    def start(self) -> None:
        """Begin to load, if that has not begun."""
        if not self._is_started:
            self._is_started = True
            self._thread.start()

    def ready(self) -> tuple[IdIndex, Sequence[Hashes]]:
        """The index, and the ids of the last chunk if it is not full; waits. Raises what loading raised."""
        self.start()
        return self._loaded.result(), self._of_last_chunk

    def stop(self) -> None:
        """Let the thread end before it is done."""
        self._is_stopped = True

    def _run(self) -> None:
        try:
            index = IdIndex()
            index.load(self._parts(), sum(plan.num_rows for plan in self._windows))
            self._loaded.set_result(index)
        except BaseException as error:
            self._loaded.set_exception(error)

    def _parts(self) -> Iterator[Hashes]:
        num_full = len(self._windows) // self._log.chunk_windows
        for chunk, ids in enumerate(in_order(self._log.read_ids, range(num_full))):
            if self._is_stopped:
                raise RunStopped("the run ended before the ids of its earlier rows were read")
            yield np.sort(np.concatenate(self._read_again(chunk))) if ids is None else ids
        if len(self._windows) % self._log.chunk_windows:
            self._of_last_chunk = self._read_again(num_full)
            yield np.sort(np.concatenate(self._of_last_chunk))

    def _read_again(self, chunk: int) -> list[Hashes]:
        """The hashes of the new ids of each window of a chunk."""
        first = chunk * self._log.chunk_windows
        stream = self._corpus.stream()
        stream.seek(self._log.start_of(first), first * self._log.window_rows)
        found: list[Hashes] = []
        for plan in self._windows[first : first + self._log.chunk_windows]:
            if self._is_stopped:
                break
            with no_collection(), stream.unchanged():
                block = stream.take(self._log.window_rows)
            found.append(block.new_hashes(plan.repeated_rows))
        return found
