"""The two sides of the batching benchmark: a job's automatic batches, and a loop with a fixed number of rows.

Both split, tokenise and speak the same texts on the same model inside the clock; neither encodes nor stores.
Not known here: which texts, which model, what is concluded.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial

from speechmill.actors.batcher.packing import num_cells
from speechmill.actors.batcher.stats import NO_BATCHES, BatchStats
from speechmill.actors.device.memory import is_out_of_memory, memory_of
from speechmill.actors.models.base import Model
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Segment, Utterance
from speechmill.actors.replica.loaded_model import LoadedModel, tuned
from speechmill.actors.replica.receipt import JobConfig, ReplicaConfig, ReplicaProgress
from speechmill.actors.replica.shard_synthesis import ShardSynthesis
from speechmill.actors.text.splitting import fit_segments
from speechmill.errors import BatchOutOfMemory

from .batching_corpora import shards_of


@dataclasses.dataclass(frozen=True, slots=True)
class Contender:
    """Batches of `rows` rows in one order, or automatic ones where `rows` is None.

    is_tapered  the corpus ends here: an automatic contender gets the ever smaller shards of a job's last window
    """

    rows: int | None = None
    is_sorted: bool = False
    is_tapered: bool = False

    def __str__(self) -> str:
        if self.rows is None:
            return "auto, last window" if self.is_tapered else "auto_max"
        return f"{self.rows} {'sorted' if self.is_sorted else 'as read'}"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What one side did.

    seconds               wall time, text to samples; measuring the model apart
    batches               as a job counts them
    num_lost              rows that were not spoken and should have been
    share                 of the tokens, below 1 where it was stopped for being slow
    peak_over_prediction  the most that a batch held / what was predicted for it, margin included; 0 if not measured
    cpu_s                 of the thread that speaks, over the same time
    """

    seconds: float
    batches: BatchStats
    num_lost: int = 0
    share: float = 1.0
    peak_over_prediction: float = 0.0
    cpu_s: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        return self.batches.cells_filled / self.seconds

    @property
    def padding(self) -> float:
        """Cells without a token / all cells."""
        return 1 - (self.batches.fill or 0.0)


class _Nowhere:
    """A part that keeps nothing."""

    def add(self, row: int, id: str, encoded: bytes, sidecar: object) -> tuple[str, None]:
        del row, encoded, sidecar
        return id, None

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def _never() -> bool:
    """No other replica takes over."""
    return False


def speak_automatically(
    voice: LoadedModel,
    config: ReplicaConfig,
    shards: Iterable[Sequence[Utterance]],
    look: Callable[[], None] = lambda: None,
) -> Outcome:
    """The shards one after the other, by the code that a replica runs; `look` is called after each batch."""
    batches, num_rows, num_spoken, worst = NO_BATCHES, 0, 0, 0.0

    def drop(work: partial[Record | None]) -> Future[Record | None]:
        nonlocal num_spoken
        del work
        num_spoken += 1
        return Future()

    def report(progress: ReplicaProgress) -> None:
        nonlocal batches, worst
        done = progress.batches
        batches += done
        if done.num_batches and done.predicted_bytes:
            worst = max(worst, done.peak_bytes / done.predicted_bytes)
        look()

    asked = JobConfig(config.model, "flac")
    began, began_cpu = time.perf_counter(), time.thread_time()
    for shard in shards:
        num_rows += len(shard)
        ShardSynthesis(voice, asked, _Nowhere(), drop, report, _never).synthesise(shard)
    seconds, cpu_s = time.perf_counter() - began, time.thread_time() - began_cpu
    return Outcome(seconds, batches, num_rows - num_spoken, 1.0, worst, cpu_s)


def speak_fixed(
    model: Model,
    device: str,
    utterances: Sequence[Utterance],
    contender: Contender,
    patience_s: float = float("inf"),
) -> Outcome:
    """Every `rows` consecutive rows in a batch; one that is out of memory is halved, as a person's loop would do.

    Sorted goes from the longest to the shortest of all. Stopped once it has taken `patience_s`.
    """
    memory = model.memory() or memory_of(device)
    assert contender.rows is not None
    began, began_cpu = time.perf_counter(), time.thread_time()
    segments = segments_of(model, utterances)
    if contender.is_sorted:
        segments.sort(key=lambda segment: -segment.length)
    total = sum(segment.length for segment in segments)
    todo = deque(segments[at : at + contender.rows] for at in range(0, len(segments), contender.rows))
    batches, lost = NO_BATCHES, set[int]()
    while todo and time.perf_counter() - began < patience_s:
        batch = todo.popleft()
        if _is_spoken(model, batch):
            filled, cells = num_cells(batch)
            batches += BatchStats(num_batches=1, num_rows=len(batch), cells_filled=filled, cells_total=cells)
            continue
        memory.release()
        batches += BatchStats(num_out_of_memory=1)
        middle = len(batch) // 2
        if middle:
            todo.extendleft([batch[middle:], batch[:middle]])
        else:
            lost.add(batch[0].row)
    seconds, cpu_s = time.perf_counter() - began, time.thread_time() - began_cpu
    share = batches.cells_filled / total if todo else 1.0
    return Outcome(seconds, batches, len(lost), share, cpu_s=cpu_s)


def segments_of(model: Model, utterances: Iterable[Utterance]) -> list[Segment]:
    """The rows as the model reads them, in their order."""
    info = model.info
    return [
        segment
        for utterance in utterances
        for segment in fit_segments(utterance, info.split_chars, info.max_length, model.prepare)
    ]


def _is_spoken(model: Model, batch: Sequence[Segment]) -> bool:
    """False where it does not fit. The error is forgotten on return: its frames hold the batch's tensors."""
    try:
        model.speak(batch)
    except Exception as error:
        if not (isinstance(error, BatchOutOfMemory) or is_out_of_memory(error)):
            raise
        return False
    return True


class Arena:
    """One model, one corpus: automatic and fixed batches, each from a warm start."""

    def __init__(
        self, config: ReplicaConfig, utterances: Sequence[Utterance], look: Callable[[], None] = lambda: None
    ) -> None:
        self._config, self._utterances, self._look = config, utterances, look
        self.voice = self._ready()
        self.profile_s = self.voice.profile.measured_s if self.voice.profile else 0.0

    def run(self, contender: Contender, patience_s: float = float("inf")) -> Outcome:
        """Speak the whole corpus."""
        if contender.rows is None:
            del self.voice  # one model at a time is in the memory
            self.voice = self._ready()
            info, is_tapered = self.voice.model.info, contender.is_tapered
            shards = [shard.utterances for shard in shards_of(self._utterances, info, is_tapered=is_tapered)]
            return speak_automatically(self.voice, self._config, shards, self._look)
        if self.voice.memory:
            self.voice.memory.cap(self.voice.memory.total())
        return speak_fixed(self.voice.model, self._config.model.device, self._utterances, contender, patience_s)

    def _ready(self) -> LoadedModel:
        """With nothing learned but the profile."""
        voice = tuned(self._config)
        for _ in range(2):
            voice.model.speak(segments_of(voice.model, self._utterances[:1]))
        if voice.memory:
            voice.memory.release()
            voice.memory.watch()
        return voice
