"""Every error that speechmill raises on purpose. Foreign errors are translated into these once, at the boundary.

SpeechmillError
├── JobError                 the job itself is wrong; said before any replica starts      (exit status 2)
│   ├── SpecError            a key or value of job.yaml
│   ├── CorpusError          the input as a whole cannot be read
│   ├── ModelError           the model, one of its options, or its weights
│   ├── JobChanged           the output holds another job
│   ├── StorageDenied        credentials or permissions
│   ├── StorageMissing       a bucket, folder or object that has to exist
│   └── HeadAway             no Ray head answers at its address
├── RunStopped               the run cannot go on; committed parts are safe, run again to continue (exit status 3)
│   ├── StorageUnavailable   the store did not answer within its retries
│   ├── StorageFull          no space or quota left
│   ├── StorageConflict      an object is no longer what a conditional write expected
│   ├── OutputGone           the bucket or folder of the output went away in mid-run
│   ├── OutputBusy           another driver writes this output
│   ├── LeaseLost            this driver is no longer the one that may write the output
│   ├── CorpusChanged        an input file is not as it was when the run began
│   ├── ReplicasLost         replicas died faster than they could be replaced
│   ├── EndpointAway         no speech server answers, or none takes requests of this account
│   ├── TooManyAttempts      judges reject more attempts than the job allows
│   └── RayNotStarted        Ray does not start on this machine
├── OutputDamaged            an output that was complete has lost something since                  (exit status 1)
├── BatchOutOfMemory         a batch did not fit; the replica splits it and goes on
└── RowError                 one row cannot be spoken; it becomes a `Failure` and the job goes on
    ├── RowRejected          the row's own columns: empty text, bad number, duplicate id
    └── TextTooLong          text that no split brings under the model's limit
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SpeechmillError(Exception):
    """The root of the tree. The message is one sentence for a person: what, where, and what to do."""


class JobError(SpeechmillError):
    """The job itself is wrong; raised before any replica starts."""


class SpecError(JobError):
    """A key or a value of the job file is wrong."""


class CorpusError(JobError):
    """The input as a whole cannot be read: no file, no such column, not this format."""


class ModelError(JobError):
    """An unknown model or option, or weights that are missing or not what they should be."""


class JobChanged(JobError):
    """The output already holds a job that differs in keys which change what is spoken."""


class StorageDenied(JobError):
    """The store refused the credentials or the operation."""


class StorageMissing(JobError):
    """A bucket, folder or object that has to exist does not."""


class HeadAway(JobError):
    """No Ray head answers at the address that was given, or it answers no more."""


class RunStopped(SpeechmillError):
    """The run cannot go on. Committed parts are safe; running the same job again continues it."""


class StorageUnavailable(RunStopped):
    """The store did not answer within its retries."""


class StorageFull(RunStopped):
    """No space or quota is left in the store."""


class StorageConflict(RunStopped):
    """An object is no longer what a conditional write expected: another writer came first. Nothing was written."""


class OutputGone(RunStopped):
    """The bucket or folder of the output, which was there when the run began, is not there any more."""


class OutputBusy(RunStopped):
    """Another driver writes this output, and it is alive."""


class LeaseLost(RunStopped):
    """The driver may have been replaced by another one; it commits nothing more."""


class CorpusChanged(RunStopped):
    """An input file is no longer as it was when the run began. What is committed is of the corpus as it was."""


class ReplicasLost(RunStopped):
    """Replicas died faster than they could be replaced."""


class EndpointAway(RunStopped):
    """No speech server has given audio for too long, or none takes requests of this account any more."""


class TooManyAttempts(RunStopped):
    """The job's judges reject so many attempts that judge, text or model must be wrong."""


class RayNotStarted(RunStopped):
    """Ray does not start on this machine. Nothing was spoken yet."""


class OutputDamaged(SpeechmillError):
    """An output that was complete has lost something since; `run --repair` speaks it again."""


class BatchOutOfMemory(SpeechmillError):
    """A batch did not fit into the device's memory. The replica splits it; a single row becomes a `Failure`."""


class RowError(SpeechmillError):
    """One row cannot be spoken. It ends as a `Failure` with this message."""


class RowRejected(RowError):
    """The row's own columns are wrong: empty text, a seed that is no integer, a duplicate id."""


class TextTooLong(RowError):
    """A piece of text that no split brings under the model's limit."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known: {', '.join(names)}" if names else "there are none"
