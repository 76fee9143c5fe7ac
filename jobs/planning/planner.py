"""The plan of a run: window after window cut into shards; finished windows are skipped by their recorded position.

Guaranteed: the shards of a run that continues are those that a run from scratch would cut, whatever was committed
and wherever the plan log ends; of a window that the log has and whose parts are all committed, no row is read. Of
all rows with one id, the first that can be spoken keeps it, however often the run was killed. A window is given out
when its files, looked at after its rows were read, are those that the corpus found.
Not known here: how shards are spoken and committed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...actors.records.utterance import Shard
from ...cluster.sharding.sharding import CostModel, ShardLimits, shard_window
from ...errors import JobChanged
from ..corpus import Block, Corpus, IdIndex, RowStream
from ..output.ledger import Ledger, window_digest
from ..output.plan_log import PlanLog, WindowPlan, bits_of
from .id_loader import IdLoader
from .windows import KeptPart, Window, no_collection


@dataclass(frozen=True, slots=True)
class Planned:
    """A window, and what is left of it to speak.

    Attributes:
        window: None where all is committed.
        skipped_s: The part of the plan's cost that is committed.
        kept: Parts of which an update keeps rows, and writes a manifest.
    """

    plan: WindowPlan
    window: Window | None
    todo: tuple[Shard, ...]
    skipped_s: float
    kept: tuple[KeptPart, ...] = ()


class Planner:
    """Plans the windows of a corpus, of which a log may hold the first, and a ledger the committed parts."""

    def __init__(self, corpus: Corpus, log: PlanLog, ledger: Ledger, cost: CostModel, limits: ShardLimits) -> None:
        self._corpus = corpus
        self._log = log
        self._ledger = ledger
        self._cost = cost
        self._limits = limits
        self._stream: RowStream | None = None

    def __iter__(self) -> Iterator[Planned]:
        """The windows in order.

        Raises:
            CorpusError: A file cannot be read; what the store raises passes
            CorpusChanged: A file is no longer what it was; what the store raises passes
            JobChanged: The output is another job's; what the store raises passes
        """
        with self._known_ids() as ids:
            for index, plan in enumerate(self._log.windows):
                planned = self._again(index, plan)
                if planned.todo and ids is not None:
                    ids.start()  # not before: the first shard should not wait for them
                yield planned
            if not (self._log.windows and self._log.windows[-1].is_last):
                yield from self._further(len(self._log.windows), ids)
        self._log.close()

    @contextmanager
    def _known_ids(self) -> Generator[IdLoader | None]:
        """The ids of the windows in the log, if more windows follow; loaded behind the planner's back."""
        is_all_planned = bool(self._log.windows) and self._log.windows[-1].is_last
        if is_all_planned or not self._corpus.has_ids:
            yield None
            return
        ids = IdLoader(self._corpus, self._log)
        try:
            yield ids
        finally:
            ids.stop()

    def _again(self, index: int, plan: WindowPlan) -> Planned:
        """A window of the log: only what is not committed of it is read."""
        if self._ledger.is_complete(index):
            return Planned(plan, None, (), plan.cost_s)
        with no_collection():
            stream = self._stream_at(index)
            with stream.unchanged():
                block = stream.take(self._log.window_rows)
            block.repeated(plan.repeated_rows)
            planned = self._cut(index, block, plan.is_last, plan)
        if planned.plan.digest != plan.digest:
            raise JobChanged(
                f"window {index} of the corpus holds other rows than when it was planned. Restore the corpus, "
                "or start anew with --overwrite or another output.uri."
            )
        return planned

    def _further(self, index: int, known: IdLoader | None) -> Iterator[Planned]:
        """The windows after those of the log."""
        ids: IdIndex | None = None
        if known is not None:
            ids, of_last_chunk = known.ready()
            self._log.keep_ids(of_last_chunk)
        stream = self._stream_at(index)
        with stream.unchanged():
            is_at_end = stream.is_at_end
        while not is_at_end:
            with no_collection():
                planned = self._next(index, stream, ids)
            yield planned
            index, is_at_end = index + 1, planned.plan.is_last

    def _next(self, index: int, stream: RowStream, ids: IdIndex | None) -> Planned:
        with stream.unchanged():
            block = stream.take(self._log.window_rows)
            is_last = stream.is_at_end  # a file that was cut short looks like the end
        added = None
        repeated: list[int] = []
        if ids is not None:
            seen = ids.add(block.hashes)
            repeated = [block.spoken[at] for at in seen]
            block.repeated(repeated)
            added = block.new_hashes(repeated)
        position = stream.position
        read = 1.0 if is_last else min(stream.fraction_read, 0.999999)
        plan = WindowPlan(len(block), position, 0, "", bits_of(repeated), 0.0, read)
        planned = self._cut(index, block, is_last, plan)
        self._log.add(planned.plan, added)
        return planned

    def _cut(self, index: int, block: Block, is_last: bool, plan: WindowPlan) -> Planned:
        """The window's shards, without those that are committed."""
        window = Window(index, block.utterances, tuple(block.failures), is_last)
        shards = shard_window(index, window.utterances, self._cost, self._limits, is_last=is_last)
        parts = {shard.id: shard.digest for shard in shards}
        if window.rejected:
            parts[f"{index:06d}-rejected"] = window.rejected_digest
        todo = tuple([shard for shard in shards if not self._ledger.is_done(shard.id, shard.digest)])
        self._ledger.expect(index, len(parts))
        cost_s = sum(shard.cost_s for shard in shards)
        cut = WindowPlan(
            window.num_rows, plan.end, len(parts), window_digest(parts), plan.repeated, cost_s, plan.fraction_read
        )
        return Planned(cut, window, todo, cost_s - sum(shard.cost_s for shard in todo))

    def _stream_at(self, window: int) -> RowStream:
        """The rows of the corpus from a window on, which is in the log or the one after them."""
        row = window * self._log.window_rows
        if self._stream is None:
            self._stream = self._corpus.stream()
        if self._stream.row != row:
            self._stream.seek(self._log.start_of(window), row)
        return self._stream
