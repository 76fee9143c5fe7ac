"""One replica: a model, the tuner of its batches before it and the encoder behind it, for jobs and for streams.

Guaranteed of `speak`: it may be called from several threads at once. Synthesis is one at a time, in the order of the
calls, while the encoding and the upload of the shard before go on beside it; a model that speaks step by step gets the
rows of all calls at once, so that its slots do not run empty at the end of a shard. Every utterance given ends in the
receipt exactly once, spoken or failed with a reason. Errors of the store or of the job as a whole are raised; they are
nobody's row. Guaranteed of `stream`: streams go before rows of jobs, and one whose listener leaves ends within a step.

Not known here: Ray, where parts are stored, who commits them. Nothing that this class writes counts until the
driver says so.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial

from ...errors import ModelError
from ..batcher.profile import Profile
from ..models.base import AutoregressiveModel, ModelConfig
from ..models.probe_texts import probe_texts
from ..models.registry import describe
from ..records.manifest import Record
from ..records.part import PartStore
from ..records.speech import AudioChunk, SpeechInput
from ..records.stream_handle import StreamHandle
from ..records.utterance import Utterance
from .call import Call, CalledJob, Dropped
from .loaded_model import MAX_PENDING_CLIPS, LoadedModel, tuned
from .receipt import JobConfig, Receipt, ReplicaConfig, ReplicaProgress
from .shard_synthesis import ShardSynthesis
from .streaming import speak_stream

_PIECE_S = 1.0
"""Of a stream, in seconds of audio: more is handed over in parts."""


@dataclass(frozen=True, slots=True)
class ReplicaInfo:
    """Where a replica lives, and what batches cost there; None if that could not be measured.

    Attributes:
        load_s, warm_s: Seconds until the model was there and measured, and until it had spoken for the first time
        node: Ray's name of the machine; "" where there is no Ray
    """

    host: str
    pid: int
    device: str
    profile: Profile | None = None
    load_s: float = 0.0
    warm_s: float = 0.0
    node: str = ""


class Replica:
    """A model on its device, speaking shards of the jobs that join it, and streams."""

    def __init__(self, config: ReplicaConfig) -> None:
        self._config = config
        self._jobs: dict[str, CalledJob] = {}
        self._voice: LoadedModel | None = None
        self._home: ReplicaInfo | None = None
        self._loading = threading.Lock()
        self._synthesis = threading.Lock()
        self._encoders = ThreadPoolExecutor(1 if config.model.device == "cpu" else 4, "encode")
        self._pending = threading.Semaphore(MAX_PENDING_CLIPS)
        self._listeners: set[StreamHandle] = set()

    def load(self) -> ReplicaInfo:
        """Load the model and measure it, once; `stream` may be called when this has returned.

        Raises:
            ModelError: Also for a model or a batch size that does not fit into the memory
        """
        with self._loading:
            if self._home is None:
                began = time.perf_counter()
                self._voice = tuned(self._config)
                load_s = time.perf_counter() - began
                device, profile = self._config.model.device, self._voice.profile
                self._home = ReplicaInfo(socket.gethostname(), os.getpid(), device, profile, load_s)
            return self._home

    def warm(self) -> ReplicaInfo:
        """Load, and speak a few words to nobody: what is prepared at the first use is there for the first listener."""
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

    def join(self, job: str, config: JobConfig, store: PartStore) -> ReplicaInfo:
        """Load, and speak for this job from now on.

        The batches are this replica's, whatever the job's specification says. ModelError, too, if the job wants a
        model that sounds different.

        Raises:
            StorageMissing: As `load` does
            ModelError: As `load` does
        """
        store.check()
        self._refuse_another(config.model)
        self._jobs[job] = CalledJob(config, store)
        return self.load()

    def leave(self, job: str) -> None:
        """Forget a job; what is being spoken for it ends with the batch."""
        self._jobs.pop(job, None)

    def drop(self, job: str, part: str) -> None:
        """Do not speak a part, or not to its end: `speak` returns None within a batch, or within a row."""
        known = self._jobs.get(job)
        if known is not None:
            known.dropped.add(part)

    def hand_back(self, job: str, part: str) -> None:
        """Speak a part no further: `speak` stores what is done within a batch, or a row, and names the rows left."""
        known = self._jobs.get(job)
        if known is not None:
            known.handed_back.add(part)

    def progress(self, job: str) -> ReplicaProgress:
        """The counts of a job so far; answers while a shard is being spoken."""
        known = self._jobs.get(job)
        return ReplicaProgress() if known is None else known.progress

    @property
    def num_streams(self) -> int:
        """Streams that are being spoken or wait for their turn."""
        return len(self._listeners)

    def speak(self, job: str, part: str, utterances: Sequence[Utterance]) -> Receipt | None:
        """Speak utterances of a job into a part of this unique name, or refine them, as the model's task is.

        None if it was dropped, or handed back before any row was done: some of its objects may be stored.

        Raises:
            JobError: Nothing of a row
            RunStopped: Nothing of a row
        """
        voice, known = self._ready, self._jobs.get(job)
        if known is None:
            return None
        call = Call(known, part, lambda: self._jobs.get(job) is known)
        # Refined texts travel in the receipt.
        writer = None if known.config.model.task == "refine" else known.store.open_part(part)
        attempt = ShardSynthesis(voice, known.config, writer, self._encode_soon, call.report, call.is_handed_back)
        try:
            with nullcontext() if attempt.is_shared else self._synthesis:
                call.check()
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

    def stream(self, wanted: SpeechInput, listener: StreamHandle) -> Generator[AudioChunk]:
        """Speak one text before all rows of jobs: its audio as soon as it is there, at most a second at a time.

        The first piece tells what the time until it went to.

        Raises:
            RowError: For text that cannot be spoken, after what came before it
            ModelError: The model, its weights or its options are wrong; the message names the key or file
        """
        voice = self._ready
        rate = voice.model.info.sample_rate
        turns = None if isinstance(voice.model, AutoregressiveModel) else voice.turns
        self._listeners.add(listener)
        try:
            pieces = speak_stream(
                voice.model,
                wanted.text,
                voice=wanted.voice,
                seed=wanted.seed,
                speed=wanted.speed,
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

    def _encode_soon(self, work: partial[Record]) -> Future[Record]:
        """Give a clip to the encoder threads; waits while too many are pending."""
        self._pending.acquire()
        future = self._encoders.submit(work)
        future.add_done_callback(lambda _: self._pending.release())
        return future
