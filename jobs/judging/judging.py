"""Judge a speech corpus that exists, ours or made elsewhere: `speechmill.judge` and `speechmill judge`.

Guaranteed: the corpus is read only. Results are written part by part, whole; after a kill the same call goes on, and
hears no clip of a written part again. One process writes a folder of results at a time.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ...actors.gate.config import GateConfig
from ...actors.gate.stats import NO_GATE
from ...cluster.lease.lease import Lease
from ...cluster.session import plan_replicas, session
from ...cluster.storage import S3Options, Storage, open_storage
from ...errors import SpecError
from ..corpus.globs import first_magic
from ..spec.uris import checked_place
from .again import again_line
from .audio_corpus import AudioCorpus, AudioCorpusOptions, AudioPart
from .ears import DEFAULT_JUDGES, JudgingOptions, gate_of, identity_of
from .hearing import HeardClips
from .open_corpus import open_corpus
from .results import AGAIN_KEY, Results
from .summary import JudgingSummary, Tally, Worst
from .workers import InProcess, PartHearers, Workers

SMALL_S = 60.0
"""Seconds of one core up to which a corpus is heard in this process: to start a Ray costs as much as it would save."""
_CLIP_S = 5.0
_READ_S = 0.002


@dataclass(slots=True)
class JudgingProgress:
    """How far a judging is.

    Attributes:
        num_done: Clips that an earlier run judged
        num_heard, num_rejected, num_unheard: Clips that this run heard
        heard_s: Seconds of their audio
        num_parts: Written ones
        wall_s: Seconds since the run began
    """

    num_done: int = 0
    num_heard: int = 0
    num_rejected: int = 0
    num_unheard: int = 0
    heard_s: float = 0.0
    num_parts: int = 0
    wall_s: float = 0.0


Observe = Callable[[JudgingProgress], None]


def judge(
    corpus: str,
    output: str | None = None,
    *,
    judges: tuple[str, ...] | list[str] = DEFAULT_JUDGES,
    options: Mapping[str, Mapping[str, object]] | None = None,
    calibration: str | None = None,
    share: float = 1.0,
    device: str = "cpu",
    workers: int | str = "auto",
    address: str = "local",
    cpus_per_worker: float = 1.0,
    gpus_per_worker: float = 0.0,
    overwrite: bool = False,
    s3: S3Options | None = None,
    observe: Observe | None = None,
    **columns: Any,
) -> JudgingSummary:
    """Judge each clip of a corpus, and list the rows to speak again.

    Args:
        corpus: An output of ours; a table with texts and paths of clips (JSON lines, csv, tsv, LJSpeech, parquet); a
            glob of webdataset tars; a folder that holds one of these. A path or s3://.
        output: The folder of the results; `corpus` with ".judged" by default.
        judges: Their names, or "module:Class".
        options: Of judges, by name.
        calibration: The file that `speechmill judge --calibrate` wrote.
        share: Of the clips, those that judges hear that cost much.
        device: Of the judges, "cpu" or "cuda".
        workers: Processes in the cluster; 0: this one; "auto": this one for little work, else one a core or GPU share.
        address: Of the Ray cluster, as `cluster.address` in a job.
        cpus_per_worker, gpus_per_worker: What each holds.
        overwrite: Judge anew what was judged.
        s3: How to reach S3.
        observe: Called as clips are heard.
        columns: `text`, `audio`, `normalized`, `id`, `voice`, `speed`, `seed`: columns of a table; `root`, `language`,
            `format`: see `AudioCorpusOptions`.

    Returns:
        The counts of the whole corpus, and where the list of rows to speak again lies.

    Raises:
        JobError: Something is wrong with the corpus, a judge or an option; the message names it
        RunStopped: The run cannot go on; the same call continues it
    """
    found = AudioCorpusOptions(checked(corpus), s3=s3, **columns)
    how = JudgingOptions(tuple(judges), options or {}, calibration, share, device)
    where = WorkerPlace(workers, address, cpus_per_worker, gpus_per_worker)
    return judge_corpus(found, output or default_output(corpus), how, where, overwrite=overwrite, observe=observe)


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """Where clips are heard, see `judge`."""

    workers: int | str = "auto"
    address: str = "local"
    cpus: float = 1.0
    gpus: float = 0.0


def judge_corpus(
    options: AudioCorpusOptions,
    output: str,
    how: JudgingOptions,
    where: WorkerPlace,
    *,
    overwrite: bool = False,
    observe: Observe | None = None,
) -> JudgingSummary:
    """See `judge`."""
    gate = gate_of(how, options.s3)
    corpus = open_corpus(options)
    storage = open_storage(checked(output), options.s3)
    storage.check(write=True)
    with Lease.take(storage) as lease:
        results = Results(storage)
        done = results.begin(identity_of(options, how, gate), overwrite=overwrite)
        run = _Run(results, lease, done, observe or (lambda _: None))
        run.hear_all(corpus, gate, where)
        summary = replace(run.summary(corpus, gate, storage), num_failed=corpus.num_failed)
        lease.check()
        results.finish(run.keys, summary.body)
    return summary


class _Run:
    """One run over the parts of a corpus.

    Attributes:
        keys: Of the scores of all parts so far, in the order of the corpus
    """

    def __init__(self, results: Results, lease: Lease, done: Mapping[str, str], observe: Observe) -> None:
        self._results, self._lease, self._done, self._observe = results, lease, done, observe
        self._began_s = time.monotonic()
        self._stats = NO_GATE
        self._keys: dict[str, str | None] = {}
        self.progress = JudgingProgress()

    @property
    def keys(self) -> list[str]:
        return [key for key in self._keys.values() if key is not None]

    def hear_all(self, corpus: AudioCorpus, gate: GateConfig, where: WorkerPlace) -> None:
        """Hear and write every part that is not written yet."""
        parts = self._open(corpus.parts())
        first = next(parts, None)
        if first is None:
            return
        parts = itertools.chain([first], parts)
        with _hearers(parts, gate, where) as (hearers, waiting):
            for heard in hearers.hear(waiting, self._heard):
                self._lease.check()
                self._keys[heard.part.digest] = self._results.commit(heard.part, heard.clips)
                self._stats += heard.stats
                self.progress.num_parts += 1
                self._tell()

    def _open(self, parts: Iterator[AudioPart]) -> Iterator[AudioPart]:
        for part in parts:
            if part.digest in self._keys:
                continue  # the very same rows, once more
            key = self._keys[part.digest] = self._done.get(part.digest)
            if key is None:
                yield part
            else:
                self.progress.num_done += part.num_clips

    def _heard(self, heard: HeardClips) -> None:
        progress = self.progress
        progress.num_heard += len(heard.clips)
        progress.heard_s += sum(clip.duration_s for clip in heard.clips)
        progress.num_rejected += sum(clip.verdict == "rejected" for clip in heard.clips)
        progress.num_unheard += sum(clip.verdict == "unheard" for clip in heard.clips)
        self._tell()

    def _tell(self) -> None:
        self.progress.wall_s = time.monotonic() - self._began_s
        self._observe(self.progress)

    def summary(self, corpus: AudioCorpus, gate: GateConfig, storage: Storage) -> JudgingSummary:
        """Sum up all parts, and write the list of rows to speak again."""
        tally = Tally()
        for clip in self._results.clips(self.keys):
            tally.add(clip)
        scores = tally.scores(gate.infos)
        worst = Worst(scores)
        self._results.write_again(self._again(worst))
        return JudgingSummary(
            corpus=corpus.uri,
            output=storage.uri,
            again=storage.location(AGAIN_KEY),
            model=corpus.model,
            varies=corpus.varies,
            scores=scores,
            worst=worst.clips,
            num_heard=self.progress.num_heard,
            wall_s=round(time.monotonic() - self._began_s, 3),
            costs={name: round(cost, 6) for name, cost in self._stats.costs.items()},
            **tally.counts(),
        )

    def _again(self, worst: Worst) -> Iterator[str]:
        for clip in self._results.clips(self.keys):
            if clip.verdict == "rejected":
                worst.add(clip)
                yield again_line(clip)


@contextmanager
def _hearers(
    parts: Iterator[AudioPart], gate: GateConfig, where: WorkerPlace
) -> Generator[tuple[PartHearers, Iterator[AudioPart]]]:
    """What hears the parts, and the parts."""
    if where.workers == "auto" and where.address == "local" and not where.gpus:
        few, cost_s = list[AudioPart](), 0.0
        clip_s = _READ_S * _CLIP_S + _CLIP_S * sum(info.cost_s for info in gate.infos)
        for part in parts:
            few.append(part)
            cost_s += part.num_clips * clip_s
            if cost_s > SMALL_S:
                break
        parts = itertools.chain(few, parts)
        if cost_s <= SMALL_S:
            yield InProcess(gate), parts
            return
    if where.workers == 0:
        yield InProcess(gate), parts
        return
    with session(where.address) as resources:
        device = "cuda" if where.gpus else "cpu"
        yield Workers(plan_replicas(resources, where.workers, device, where.gpus or 1.0, where.cpus), gate), parts


def default_output(corpus: str) -> str:
    """The folder of the results of a corpus: beside it.

    Raises:
        SpecError: There is no place beside it
    """
    scheme = corpus.partition("://")[0].lower() if "://" in corpus else ""
    if scheme not in ("", "s3", "file") or first_magic(corpus) < len(corpus):
        raise SpecError(f"{corpus}: name the folder of the results with --output")
    return f"{corpus.rstrip('/')}.judged"


def checked(place: str) -> str:
    """A path or URI that may be shown.

    Raises:
        SpecError: It holds credentials or control characters
    """
    try:
        return checked_place(place)
    except ValueError as error:
        raise SpecError(f"the path or URI {error}") from error
