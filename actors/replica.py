"""One replica: a model, the batcher before it and the encoder behind it. Utterances in, a receipt out.

`speak` may be called from several threads at once: synthesis is one at a time, in the order of the calls, while the
encoding and the upload of the shard before go on beside it. Every utterance given ends in the receipt exactly once,
spoken or failed with a reason. Errors of the store or of the job as a whole are raised; they are nobody's row.

Not known here: Ray, where parts are stored, who commits them. Nothing that this class writes counts until the
driver says so.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from .attempt import Attempt
from .manifest import Record
from .models.base import Model
from .models.registry import load
from .part import PartStore
from .receipt import Receipt, ReplicaConfig, ReplicaProgress
from .segment import Utterance

MAX_PENDING_CLIPS = 64
"""Clips that may wait for the encoder before synthesis does: bounds memory when the store is slow."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where a replica lives."""

    host: str
    pid: int


class Replica:
    """A model on its device, speaking shards."""

    def __init__(self, config: ReplicaConfig, store: PartStore) -> None:
        self._config = config
        self._store = store
        self._model: Model | None = None
        self._synthesis = threading.Lock()
        self._encoders = ThreadPoolExecutor(1 if config.model.device == "cpu" else 4, "encode")
        self._pending = threading.Semaphore(MAX_PENDING_CLIPS)
        self._progress = ReplicaProgress()
        self._counting = threading.Lock()

    def load(self) -> Home:
        """Load the model; `speak` may be called once this has returned. Raises ModelError, StorageMissing."""
        self._store.check()
        self._model = load(self._config.model)
        return Home(socket.gethostname(), os.getpid())

    def progress(self) -> ReplicaProgress:
        """The counts so far; answers while a shard is being spoken."""
        return self._progress

    def speak(self, part: str, utterances: Sequence[Utterance]) -> Receipt:
        """Speak the utterances into a part of this unique name. Raises JobError and RunStopped, nothing of a row."""
        assert self._model is not None, "load() comes first"
        writer = self._store.open_part(part)
        attempt = Attempt(self._model, self._config, writer, self._encode_soon, self._report)
        try:
            with self._synthesis:
                attempt.synthesise(utterances)
            return attempt.finish()
        except BaseException:
            attempt.abort()
            raise

    def _encode_soon(self, work: partial[Record]) -> Future[Record]:
        """Give a clip to the encoder threads; waits while too many are pending."""
        self._pending.acquire()
        future = self._encoders.submit(work)
        future.add_done_callback(lambda _: self._pending.release())
        return future

    def _report(self, done: ReplicaProgress) -> None:
        with self._counting:
            self._progress += done
