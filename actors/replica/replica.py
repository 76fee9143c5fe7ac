"""One replica: a model with its batch tuner and its encoder threads, for jobs and for streams.

Guaranteed of `speak`: several threads may call it at once. Calls are synthesized one at a time, while the clips of the
call before are encoded and uploaded. A model that speaks step by step gets the rows of all calls at once, so that its
slots do not run empty at the end of a shard. Every utterance ends in the receipt exactly once, spoken or failed with a
reason. Errors of the store or of the whole job are raised and fail no row.

Guaranteed of `stream`: streams go before rows of jobs, and a stream whose listener leaves ends within a step.

Objects that a replica writes count only once the driver has committed their part. This module does not use Ray.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from ...errors import ModelError
from ..batcher.profile import Profile
from ..batcher.sharing import CardUse, num_sharing
from ..device.card_place import CardPlace
from ..gate.gate import Gate, Hire
from ..models.base import AutoregressiveModel, ModelConfig
from ..models.probe_texts import probe_texts
from ..models.registry import describe
from ..records.part import PartStore
from ..records.record import Record
from ..records.speech import AudioChunk, SpeechInput
from ..records.stream_handle import StreamHandle
from ..records.text_channel import TextChannel
from ..records.utterance import Utterance
from .call import Call, CalledJob, Dropped
from .loaded_model import MAX_PENDING_CLIPS, LoadedModel, tuned
from .receipt import JobConfig, Receipt, ReplicaConfig, ReplicaProgress
from .references import References
from .retries import Retries, SpeakingTurn
from .shard_synthesis import ShardSynthesis
from .streaming import speak_stream

_MOST_ASKED = 16
"""Clips that judges elsewhere hear at once."""
_PIECE_S = 1.0
"""The most seconds of audio in one piece of a stream."""


@dataclass(frozen=True, slots=True)
class ReplicaInfo:
    """The process of a replica, and the costs of its batches.

    Attributes:
        profile: The measured costs of batches; None if they could not be measured
        card: What a replica takes of a GPU; None if that is not known
        load_s: Seconds until the model was loaded and measured
        warm_s: Seconds in which the model spoke for the first time; 0 before
        node: Ray's name of the machine; "" without Ray
    """

    host: str
    pid: int
    device: str
    profile: Profile | None = None
    load_s: float = 0.0
    warm_s: float = 0.0
    node: str = ""
    card: CardUse | None = None


class Replica:
    """A model on its device, speaking shards of the jobs that join it, and streams."""

    def __init__(self, config: ReplicaConfig) -> None:
        self._config = config
        self._jobs: dict[str, CalledJob] = {}
        self._voice: LoadedModel | None = None
        self._home: ReplicaInfo | None = None
        self._place: CardPlace | None = None
        self._loading = threading.Lock()
        self._turn = SpeakingTurn()
        self._encoders = ThreadPoolExecutor(1 if config.model.device == "cpu" else 4, "encode")
        self._waiters = ThreadPoolExecutor(_MOST_ASKED, "judged")
        self._pending = threading.Semaphore(MAX_PENDING_CLIPS)
        self._listeners: set[StreamHandle] = set()

    def load(self) -> ReplicaInfo:
        """Load the model and measure it, once; then `stream` may be called.

        Raises:
            ModelError: The model cannot be loaded, or it does not fit into the memory with this batch size
        """
        with self._loading:
            if self._home is None:
                began = time.perf_counter()
                device = self._config.model.device
                if device == "cuda":
                    self._place = CardPlace.take(num_sharing(self._config.gpus))  # before CUDA starts
                self._voice = voice = tuned(self._config)
                load_s = time.perf_counter() - began
                self._home = ReplicaInfo(
                    socket.gethostname(), os.getpid(), device, voice.profile, load_s, card=voice.card
                )
            return self._home

    def warm(self) -> ReplicaInfo:
        """Load the model and discard a first short speech, so that work of the first use does not delay a listener."""
        home = self.load()
        if not home.warm_s:
            began = time.perf_counter()
            text = probe_texts(self._ready.model.info.languages).sentences[1]
            listener = StreamHandle()
            with closing(self.stream(SpeechInput(text), listener)) as pieces:
                for _ in pieces:
                    listener.leave()  # its first audio is all that is wanted
            self._home = home = replace(home, warm_s=time.perf_counter() - began)
        return home

    def join(self, job: str, config: JobConfig, store: PartStore, hire: Hire | None = None) -> ReplicaInfo:
        """Load the model and the job's judges, and accept calls for this job. Batches follow this replica's settings.

        Args:
            hire: Makes judges that run elsewhere, for a job that wants them there

        Raises:
            StorageMissing: The store of the job is not there
            ModelError: As `load` does, and if the job wants another model or other options
        """
        store.check()
        self._refuse_another(config.model)
        home = self.load()
        gate = None if config.gate is None else Gate(config.gate, hire)
        seconds = self._ready.model.info.reference_s
        references = None if config.clips is None else References(config.clips, seconds, job)
        self._jobs[job] = CalledJob(config, store, gate=gate, retries=Retries(self._turn), references=references)
        return home

    def leave(self, job: str) -> None:
        """Forget a job; its running calls end with their batch."""
        known = self._jobs.pop(job, None)
        if known is not None and known.gate is not None:
            known.gate.close()

    def drop(self, job: str, part: str) -> None:
        """Stop a part: its call of `speak` returns None within a batch, or within a row of a step-by-step model."""
        known = self._jobs.get(job)
        if known is not None:
            known.dropped.add(part)

    def hand_back(self, job: str, part: str) -> None:
        """Stop a part within a batch, or a row: `speak` then stores the rows that are done and names the others."""
        known = self._jobs.get(job)
        if known is not None:
            known.handed_back.add(part)

    def progress(self, job: str) -> ReplicaProgress:
        """The counts of a job so far; answers while a shard is being spoken."""
        known = self._jobs.get(job)
        return ReplicaProgress() if known is None else known.progress

    @property
    def num_streams(self) -> int:
        """Number of streams that are spoken or wait for their turn."""
        return len(self._listeners)

    def speak(self, job: str, part: str, utterances: Sequence[Utterance]) -> Receipt | None:
        """Speak utterances of a job into a part with this unique name, or refine them, by the model's task.

        Returns:
            The receipt; None if the part was dropped, or handed back before any row was done. Then some of its objects
            may be stored

        Raises:
            JobError: An error of the whole job or of its store
            RunStopped: The store does not answer
        """
        voice, known = self._ready, self._jobs.get(job)
        if known is None:
            return None
        call = Call(known, part, lambda: self._jobs.get(job) is known)
        # Refined texts travel in the receipt.
        writer = None if known.config.model.task == "refine" else known.store.open_part(part)
        is_elsewhere = known.gate is not None and known.gate.is_elsewhere
        attempt = ShardSynthesis(
            voice,
            known.config,
            writer,
            partial(self._encode_soon, self._waiters if is_elsewhere else self._encoders),
            call.report,
            call.is_handed_back,
            self._turn,
            known.gate,
            known.retries,
            known.references,
        )
        utterances = tuple(utterances)  # they may have come as columns
        try:
            attempt.read(utterances)
            if not attempt.synthesise(utterances):
                raise Dropped
            return attempt.finish()
        except Dropped:
            call.take_back()
            attempt.abort()
            return None
        except BaseException:
            attempt.abort()
            raise
        finally:
            call.forget()

    def stream(
        self, wanted: SpeechInput, listener: StreamHandle, arriving: TextChannel | None = None
    ) -> Generator[AudioChunk]:
        """Speak one text before all rows of jobs: its audio as soon as it is there, at most a second at a time.

        The first piece carries the times of the work before it.

        Args:
            arriving: The text, as it comes, in place of `wanted.text`; it is closed at the end. None for no such text

        Raises:
            RowError: A piece of the text cannot be spoken; earlier pieces were returned
            ModelError: The model, its weights or its options are wrong; the message names the key or file
        """
        voice = self._ready
        rate = voice.model.info.sample_rate
        turns = None if isinstance(voice.model, AutoregressiveModel) else voice.turns
        self._listeners.add(listener)
        if arriving is not None:
            listener.when_gone(arriving.close)
        try:
            pieces = speak_stream(
                voice.model,
                wanted.text if arriving is None else arriving,
                voice=wanted.voice,
                seed=wanted.seed,
                speed=wanted.speed,
                reference=wanted.reference,
                listener=listener,
                turns=turns,
            )
            spent_s = listener.spent_s
            with closing(pieces):
                for samples in pieces:
                    for start in range(0, len(samples), round(_PIECE_S * rate)):
                        yield AudioChunk(samples[start : start + round(_PIECE_S * rate)], spent_s)
                        spent_s = {}
        finally:
            self._listeners.discard(listener)
            if arriving is not None:
                arriving.close()

    def _refuse_another(self, wanted: ModelConfig) -> None:
        own = self._config.model
        if wanted == own:
            return
        theirs, ours = describe(wanted), describe(own)
        for what, want, have in (
            ("model", theirs.name, ours.name),
            ("revision", theirs.revision, ours.revision),
            ("task", wanted.task, own.task),
            ("options", dict(wanted.options), dict(own.options)),
        ):
            if want != have:
                raise ModelError(
                    f"the job wants {what} {want}, the replicas that it borrows have {have}: give the job their model "
                    "and its options"
                )

    @property
    def _ready(self) -> LoadedModel:
        assert self._voice is not None, "load() or join() comes first"
        return self._voice

    def _encode_soon(self, threads: ThreadPoolExecutor, work: partial[Record | None]) -> Future[Record | None]:
        """Give a clip to threads that judge and encode it; wait while too many are pending."""
        self._pending.acquire()
        future = threads.submit(work)
        future.add_done_callback(lambda _: self._pending.release())
        return future
