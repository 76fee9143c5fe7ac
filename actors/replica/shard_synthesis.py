"""One attempt at one part: utterances are split into segments, batches of them are spoken, clips or texts are stored.

Every utterance ends in the receipt exactly once, done or failed with its reason. If a batch is out of memory, its rows
are packed again with all remaining ones, into smaller batches. If it fails otherwise, it is halved down to the row that
fails, so that one bad row fails no other. A row that fails by an error that no model should raise is accepted as failed
only if the model still works afterwards. Otherwise the replica is at fault, and the error is raised.

Rows that the job's judges reject are spoken again by the call that speaks at the time, so the model waits for no judge.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from itertools import chain
from typing import Any

from ...errors import BatchOutOfMemory, JobError, RowError, RunStopped
from ..batcher.batch_shape import BatchShape
from ..batcher.budget import size
from ..batcher.packing import pack_segments
from ..batcher.stats import BatchStats
from ..device.memory import is_out_of_memory
from ..gate.gate import Gate
from ..gate.stats import NO_GATE
from ..records.manifest import content_digest, encode_records
from ..records.part import PartWriter
from ..records.record import Record
from ..records.utterance import Segment, Utterance
from ..records.verdicts import VerdictCounts
from ..text.front_end import FrontEnd, SpokenText
from ..text.segments import spoken_segments
from .batchwise import Batchwise
from .beside import spoken_beside
from .clip_results import Clips
from .loaded_model import LoadedModel
from .model_health import ModelHealth
from .receipt import JobConfig, Receipt, ReplicaProgress
from .references import References, SpokenReferences
from .retries import WORTH_A_BATCH, Retries, SpeakingTurn
from .row_results import Rows
from .segment_owners import SegmentOwners
from .stepwise import Stepwise
from .text_results import Texts


class ShardSynthesis:
    """One call of `Replica.speak`.

    Args:
        part: Takes the clips; None for texts, which the receipt holds
        encode_soon: Gives work to the encoder threads
        report: Called with each progress, from any thread
        is_enough: Whether the rows that are not spoken yet go back to the driver
        turn: Held while this call speaks, unless the model may speak for several at once; None for a call of its own
        gate: Judges clips; None for a job without judges
        retries: The rejected segments of all calls of the job on this replica
        references: The recordings that rows name; None where rows name none
    """

    def __init__(
        self,
        voice: LoadedModel,
        config: JobConfig,
        part: PartWriter | None,
        encode_soon: Callable[[partial[Record | None]], Future[Record | None]],
        report: Callable[[ReplicaProgress], None],
        is_enough: Callable[[], bool],
        turn: SpeakingTurn | None = None,
        gate: Gate | None = None,
        retries: Retries | None = None,
        references: References | None = None,
    ) -> None:
        self._model, self._tuner, self._memory = voice.model, voice.tuner, voice.memory
        self._batchwise = Batchwise(voice)
        self._stepwise = Stepwise.of(voice.model, config.model.task)
        info = voice.model.info
        if self.is_shared or turn is None or retries is None:
            turn = SpeakingTurn()
            retries = Retries(turn)  # slots are shared by all calls: each speaks its own rows again
        self._turn, self._retries = turn, retries
        self._rows: Rows[Any] = (
            Texts(info, report) if part is None else Clips(info, config, part, encode_soon, report, gate, retries)
        )
        self._owners = SegmentOwners(self._rows, retries)
        self._health = ModelHealth()
        self._report, self._is_enough = report, is_enough
        self._front_end, self._pause_s = FrontEnd(info, config.text), config.pause_s
        self._texts: dict[int, SpokenText | Exception] = {}
        self._references = SpokenReferences(references, voice.model)
        self._left: tuple[int, ...] = ()
        self._stats = BatchStats(bound_bytes=voice.tuner.bound_bytes)
        self._meter, self._turns, self._busy_s = voice.meter, voice.turns, 0.0

    @property
    def batches(self) -> BatchStats:
        """The counts of the batches so far."""
        return self._stats

    @property
    def is_shared(self) -> bool:
        """Whether the model may speak for other attempts at the same time, so that their rows share its slots."""
        return self._stepwise is not None

    def _model_turn(self) -> AbstractContextManager[None]:
        """Exclusive use of the model, unless attempts may share it."""
        return nullcontext() if self.is_shared else self._turns.rows()

    def read(self, utterances: Sequence[Utterance]) -> None:
        """Analyse all texts, and read the recordings that rows name.

        It uses no model: a call that waits for the model does it while another one speaks.

        Raises:
            RunStopped: The store of a recording does not answer
        """
        faults = self._references.read(utterances)
        for utterance in utterances:
            try:
                self._texts[utterance.row] = self._front_end.read(utterance.text, utterance.voice, utterance.language)
            except Exception as error:
                self._texts[utterance.row] = error
        self._texts |= faults

    def synthesise(self, utterances: Sequence[Utterance]) -> bool:
        """Speak all utterances until `is_enough`; a clip goes to the encoder as soon as its last segment is there.

        Returns:
            False if no row has ended, so that there is nothing to finish
        """
        with self._turn:
            self._report(ReplicaProgress())  # raises if the part was dropped while it waited
            self._speak_all(utterances)
        while self._rows.is_open and not self._is_enough():
            self._report(ReplicaProgress())
            if self._turn.wait(self._is_due, self._is_over):
                with self._turn.taken():
                    self._speak_all(())
        if self._is_enough():
            self._left = self._rows.hand_back()
        return len(self._left) < len(utterances)

    def _is_due(self) -> bool:
        """Whether rejected rows wait that are worth a batch, or no more are to come from this call."""
        worth = 1 if self.is_shared else WORTH_A_BATCH
        return bool(self._retries) and (len(self._retries) >= worth or not self._rows.num_judged)

    def _is_over(self) -> bool:
        return not self._rows.is_open or self._is_enough()

    def _speak_all(self, utterances: Sequence[Utterance]) -> None:
        """Speak these utterances, and rejected rows of any call that wait."""
        with self._meter.working():
            began = self._meter.seconds()
            try:
                self._synthesise(utterances)
                if not self._is_enough():
                    self._rows.check()
                    assert self._owners.are_spoken()
            finally:
                self._owners.return_unspoken()
                self._busy_s += self._meter.seconds() - began

    def _synthesise(self, utterances: Sequence[Utterance]) -> None:
        segments = [segment for utterance in utterances for segment in self._segments(utterance)]
        todo = self._planned(segments)
        while not self._is_enough() and (todo := self._with_retries(todo)):
            batch = [segment for segment in todo.popleft() if self._owners.is_expected(segment)]
            if not batch:
                continue
            try:
                if self._stepwise is not None:
                    self._speak_rows(self._stepwise, batch)
                else:
                    self._speak_batch(batch)
            except (JobError, RunStopped):
                raise
            except Exception as error:
                failure = error
            else:
                continue
            # After the handler: until the error is dropped, its frames hold the batch's tensors.
            left = [segment for segment in batch if self._owners.is_expected(segment)]
            todo = self._after_failure(left, failure, todo, was_alone=len(batch) == 1)
        self._health.check((self._stepwise or self._batchwise).repeat)

    def _with_retries(self, todo: deque[list[Segment]]) -> deque[list[Segment]]:
        """The batches with those of rejected rows before them: so the calls that wait for them end."""
        retries = self._owners.take_due(is_busy=bool(todo))
        if retries is None:
            return todo
        batches = self._planned(chain(retries, *todo))
        first = [batch for batch in batches if any(map(self._owners.is_taken, batch))]
        return deque(first + [batch for batch in batches if not any(map(self._owners.is_taken, batch))])

    def finish(self) -> Receipt:
        """Wait for the encoders and store the part; the receipt."""
        records = self._rows.finish()
        num_ok = sum(record.status == "ok" for record in records)
        manifest = encode_records(records)
        return Receipt(
            num_ok=num_ok,
            num_failed=len(records) - num_ok,
            audio_ms=sum(record.audio_ms for record in records),
            busy_s=self._busy_s,
            batches=self._stats,
            bytes_written=sum(record.audio_bytes or 0 for record in records),
            manifest=manifest,
            content=content_digest(manifest),
            left=self._left,
            num_unspoken=sum(bool(record.unspoken) for record in records if record.status == "ok"),
            gate=self._rows.gate_stats if isinstance(self._rows, Clips) else NO_GATE,
            verdicts=VerdictCounts.of(records),
        )

    def abort(self) -> None:
        """Drop the clips that no encoder has begun, and abort the part."""
        self._rows.abort()

    def _segments(self, utterance: Utterance) -> list[Segment]:
        try:
            spoken = self._texts.pop(utterance.row, None)
            if isinstance(spoken, Exception):
                raise spoken
            reference = self._references.of(utterance.reference)
            with self._model_turn():
                planned = spoken_segments(utterance, self._model, self._front_end, self._pause_s, spoken, reference)
            if reference is not None:
                self._rows.heard(utterance.row, reference.digest)
        except (JobError, RunStopped):
            raise
        except Exception as error:
            self._rows.fail(utterance, self._health.reason(error))
            return []
        self._rows.expect(utterance, planned)
        return list(planned.segments)

    def _speak_batch(self, batch: Sequence[Segment]) -> None:
        """Speak a batch, and take its waveforms. Errors of the model pass."""
        self._batchwise.watch(batch)
        heard = self._with_clips(batch)
        waves, stats = self._batchwise.speak(heard)
        self._health.spoke(heard[-1])
        self._count(stats)
        for segment, samples in zip(batch, waves, strict=True):
            self._owners.rows_of(segment).put(segment, samples)

    def _with_clips(self, segments: Sequence[Segment]) -> list[Segment]:
        """The segments as the model is given them: with their recordings, for as long as they are spoken.

        Raises:
            RowRejected: A recording can no longer be used
        """
        return [self._references.with_clip(each, self._owners.rows_of(each).clip_of(each)) for each in segments]

    def _planned(self, segments: Iterable[Segment]) -> deque[list[Segment]]:
        """Segments in batches; a model that speaks step by step gets them all as one."""
        if self._stepwise is not None:
            # The longest first, so that the last rows to end are short ones.
            rows = sorted(segments, key=lambda s: (-s.length, s.row, s.index))
            return deque([rows] if rows else [])
        return deque(pack_segments(segments, self._tuner.pack, mixes_voices=self._model.info.mixes_voices))

    def _speak_rows(self, stepwise: Stepwise, segments: Sequence[Segment]) -> None:
        """Speak or refine step by step, and take each row as it ends. Errors of the model pass."""
        began, before = self._meter.seconds(), stepwise.usage
        # Closed in any case: abandoned rows would go on in the slots beside others.
        heard = self._with_clips(segments)
        with closing(stepwise.outcomes(heard)) as outcomes, self._beside(stepwise) as look:
            for segment, outcome in outcomes:
                self._take(segment, outcome)
                look()
                if isinstance(outcome, RowError):
                    continue
                now, used = self._meter.seconds(), stepwise.usage
                self._count(
                    BatchStats(
                        cells_filled=used.row_steps - before.row_steps,
                        cells_total=used.slot_steps - before.slot_steps,
                        synthesis_s=now - began,
                        peak_bytes=self._memory.peak() if self._memory is not None else 0,
                    )
                )
                began, before = now, used
                if self._is_enough():
                    return  # do not wait for rows in slots: they may take longer than there is time

    def _take(self, segment: Segment, outcome: Any) -> None:
        """Take the outcome of a segment that was spoken or refined step by step."""
        if isinstance(outcome, RowError):
            self._owners.rows_of(segment).give_up(segment, self._health.reason(outcome))
        else:
            self._health.spoke(segment)
            self._owners.rows_of(segment).put(segment, outcome)

    def _beside(self, stepwise: Stepwise) -> AbstractContextManager[Callable[[], None]]:
        """Speak rejected rows of this call in slots that are free, during a block."""

        def speak(segments: Sequence[Segment]) -> None:
            with closing(stepwise.outcomes(self._with_clips(segments))) as outcomes:
                for segment, outcome in outcomes:
                    self._take(segment, outcome)
                    if self._is_enough():
                        return

        return spoken_beside(self._rows, self._retries, speak)

    def _after_failure(
        self, batch: Sequence[Segment], error: Exception, todo: deque[list[Segment]], *, was_alone: bool
    ) -> deque[list[Segment]]:
        """The batches to be spoken next, after a batch has failed.

        Args:
            batch: Segments of the failed batch that have no result
            was_alone: The batch had one segment only, so that this segment is the cause
        """
        if not batch:
            return todo
        if isinstance(error, BatchOutOfMemory) or is_out_of_memory(error):
            return self._after_out_of_memory(batch, error, todo, was_alone=was_alone)
        if was_alone:
            self._owners.rows_of(batch[0]).give_up(batch[0], self._health.reason(error))
        else:
            self._count(BatchStats(num_splits=1))
            todo.extendleft(_halves(batch)[::-1])
        return todo

    def _after_out_of_memory(
        self, batch: Sequence[Segment], error: Exception, todo: deque[list[Segment]], *, was_alone: bool
    ) -> deque[list[Segment]]:
        """Free memory, raise the estimate for all further batches, and pack all remaining segments again."""
        shape = BatchShape(len(batch), max(segment.length for segment in batch))
        was_expected = not self._tuner.fits(shape)
        self._tuner.ran_out(shape)
        self._count(BatchStats(num_out_of_memory=1))
        if self._memory is not None:
            self._memory.release()
        if not was_alone:
            if self._stepwise is not None:
                todo.extendleft(_halves(batch)[::-1])
                return todo
            return self._planned(chain(batch, *todo))
        if not was_expected:
            self._health.suspect(error)  # it should fit, so the row fails only if the model still speaks
        predicted = self._tuner.predict(shape).peak_bytes
        needs = f", {size(predicted)} expected of {size(self._tuner.bound_bytes)}" if predicted else ""
        self._owners.rows_of(batch[0]).give_up(
            batch[0], f"a segment of length {shape.longest} does not fit into memory alone{needs}: {error}"
        )
        return todo

    def _count(self, stats: BatchStats) -> None:
        self._stats += stats
        self._report(ReplicaProgress(batches=stats))


def _halves(batch: Sequence[Segment]) -> list[list[Segment]]:
    """The two halves of a batch; one, if it has one segment only."""
    middle = len(batch) // 2
    return [list(half) for half in (batch[:middle], batch[middle:]) if half]
