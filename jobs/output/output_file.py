"""What `job.json` says: the job, the root (which manifests count), and of a complete output the final counts.

Outputs of format 2 are read too: their root says that all manifests without a stamp count. Not known here: manifests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...actors.records.keys import COMPLETE_KEY, ROOT_KEY
from ...actors.records.manifest import PartName
from ...cluster.commit.executor import Executor
from ...cluster.commit.names import Stamp
from ...cluster.commit.operations import Found, RootFile
from ...cluster.commit.root import NameDigest, Root, counts
from ...cluster.storage import Storage
from ...errors import JobError, StorageMissing
from .bounded_read import SMALL_BYTES, TooLarge, get_bounded
from .complete import Complete
from .identity import JobFile
from .stored import parsed

_COMPLETE = "complete"
FORMATS_WITHOUT_ROOT = (None, 1, 2)
"""Of an output of another format, a `job.json` without a root has lost it: its manifests would count for nothing."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """An output as its `job.json` was at one moment.

    Attributes:
        base: Root and body, with the tag that the next claim is compared with
        complete: None while rows are missing
    """

    base: Found
    job: JobFile
    complete: Complete | None

    @classmethod
    def read(cls, storage: Storage) -> OutputFile | None:
        """None where there is none.

        Raises:
            JobError: For one that cannot be read
        """
        for entry in storage.list(ROOT_KEY):
            if entry.key == ROOT_KEY and entry.size > SMALL_BYTES:
                raise TooLarge(f"{storage.location(ROOT_KEY)} has {entry.size:,} bytes; speechmill did not write it")
        base = Executor(storage).read_root()
        if base is None:
            return None
        source = storage.location(ROOT_KEY)
        body: dict[str, Any] = base.file.body
        job, complete = JobFile.of(body, source), None
        if not base.file.root.run and job.identity.keys.get("format") not in FORMATS_WITHOUT_ROOT:
            raise JobError(f"{source} does not say which manifests count; restore it, or start anew with --overwrite")
        if base.file.root.is_complete:
            complete = Complete.of(_complete_of(storage, base.file), source)
        return cls(base, job, complete)

    @classmethod
    def load(cls, storage: Storage) -> OutputFile:
        """The same.

        Raises:
            JobError: Where there is no output
        """
        found = cls.read(storage)
        if found is None:
            raise JobError(f"no speechmill output here: {storage.location(ROOT_KEY)} does not exist")
        return found

    @property
    def root(self) -> Root:
        return self.base.file.root

    def counted(self, key: str) -> PartName | None:
        """The part whose manifest lies there, None if it does not count.

        Raises:
            JobError: For a key of another kind
        """
        part = PartName.parse(key)
        return part if is_counted(self.root, part) else None

    def names_fault(self, counted: NameDigest) -> str:
        """How the manifests that count differ from those that a complete job had; "" where they do not."""
        promised = self.root.names
        if promised is None or counted == promised:
            return ""
        if counted.num_names != promised.num_names:
            return f"{counted.num_names} of {promised.num_names} manifests are there"
        return f"manifests were replaced: {promised.num_names} are there, and not under the names that they had"

    @property
    def is_text(self) -> bool:
        """Whether the job makes text in place of audio."""
        return self.job.spec.get("task") == "refine"


def is_counted(root: Root, part: PartName) -> bool:
    """Whether a part counts under a root."""
    return counts(root, Stamp.parse(part.stamp) if part.stamp else Stamp("", 0))


def completed(body: dict[str, Any], complete: Complete) -> dict[str, Any]:
    """The body of `job.json` of a job that is complete."""
    return {**body, _COMPLETE: complete.body}


def _complete_of(storage: Storage, file: RootFile) -> object:
    """The mark as it was written, {} where it is not there."""
    if file.root.run:
        return file.body.get(_COMPLETE, {})
    try:
        return parsed(get_bounded(storage, COMPLETE_KEY), storage.location(COMPLETE_KEY))
    except StorageMissing:
        return {}
