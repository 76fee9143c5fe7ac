"""One replica: a model, the tuner of its batches before it and the encoder behind it. Utterances in, a receipt out.

`speak` may be called from several threads at once: synthesis is one at a time, in the order of the calls, while the
encoding and the upload of the shard before go on beside it. A model that speaks step by step gets the rows of all calls
at once, so that its slots do not run empty at the end of a shard. Every utterance given ends in the receipt exactly
once, spoken or failed with a reason. Errors of the store or of the job as a whole are raised; they are nobody's row.

Not known here: Ray, where parts are stored, who commits them. Nothing that this class writes counts until the
driver says so.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from .attempt import Attempt
from .batcher.profile import Profile
from .manifest import Record
from .part import PartStore
from .receipt import Receipt, ReplicaConfig, ReplicaProgress
from .segment import Utterance
from .tuning import MAX_PENDING_CLIPS, Voice, tuned


@dataclass(frozen=True, slots=True)
class Home:
    """Where a replica lives, and what batches cost there; None if that could not be measured."""

    host: str
    pid: int
    profile: Profile | None = None


class Replica:
    """A model on its device, speaking shards."""

    def __init__(self, config: ReplicaConfig, store: PartStore) -> None:
        self._config = config
        self._store = store
        self._voice: Voice | None = None
        self._synthesis = threading.Lock()
        self._encoders = ThreadPoolExecutor(1 if config.model.device == "cpu" else 4, "encode")
        self._pending = threading.Semaphore(MAX_PENDING_CLIPS)
        self._progress = ReplicaProgress()
        self._counting = threading.Lock()

    def load(self) -> Home:
        """Load the model and measure it; `speak` may be called once this has returned.

        Raises StorageMissing, and ModelError: also for a model or a batch size that does not fit into the memory.
        """
        self._store.check()
        self._voice = tuned(self._config)
        return Home(socket.gethostname(), os.getpid(), self._voice.profile)

    def progress(self) -> ReplicaProgress:
        """The counts so far; answers while a shard is being spoken."""
        return self._progress

    def speak(self, part: str, utterances: Sequence[Utterance]) -> Receipt:
        """Speak the utterances into a part of this unique name, or refine them, as the model's task is.

        Raises JobError and RunStopped, nothing of a row.
        """
        assert self._voice is not None, "load() comes first"
        # Refined texts travel in the receipt.
        writer = None if self._config.model.task == "refine" else self._store.open_part(part)
        attempt = Attempt(self._voice, self._config, writer, self._encode_soon, self._report)
        try:
            with nullcontext() if attempt.is_shared else self._synthesis:
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
