"""The content of `job.json`: the job, the root (which manifests count), and the final counts of a complete output.

Outputs of format 2 are read too: in them, all manifests without a stamp count. No manifest is opened here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...actors.records.keys import COMPLETE_KEY, ROOT_KEY
from ...actors.records.part_name import PartName
from ...cluster.commit.adoptions import NameDigest
from ...cluster.commit.executor import Executor
from ...cluster.commit.names import Stamp
from ...cluster.commit.operations import Found, RootFile
from ...cluster.commit.root import Root, counts, is_kept
from ...cluster.storage import Storage
from ...errors import JobError, StorageMissing
from .bounded_read import SMALL_BYTES, TooLarge, get_bounded
from .complete import Complete
from .identity import JobFile
from .stored import parsed

_COMPLETE = "complete"
_EARLIER = "earlier"
FORMATS_WITHOUT_ROOT = (None, 1, 2)
"""In any other format, a `job.json` without a root is damaged: none of its manifests would count."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """The `job.json` of an output at one moment.

    Attributes:
        base: Root and body, with the version tag that the next conditional write is compared with
        job: The job that began the output
        complete: The final counts; None while rows are missing
    """

    base: Found
    job: JobFile
    complete: Complete | None

    @classmethod
    def read(cls, storage: Storage) -> OutputFile | None:
        """Read it; None if there is no `job.json`.

        Raises:
            JobError: `job.json` is damaged, or not written by speechmill
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
        """Read it.

        Raises:
            JobError: There is no `job.json`, or it is damaged
        """
        found = cls.read(storage)
        if found is None:
            raise JobError(f"no speechmill output here: {storage.location(ROOT_KEY)} does not exist")
        return found

    @property
    def root(self) -> Root:
        return self.base.file.root

    @property
    def generations(self) -> list[int]:
        """Numbers of the states that can be read: complete ones that an update has replaced, and the present one."""
        return [*(int(number) for number in self.job.earlier), self.root.generation]

    def at(self, generation: int | None, source: str) -> OutputFile:
        """The output as it was in a generation; None: as it is.

        Args:
            source: The place of `job.json`, for messages

        Raises:
            JobError: No such generation is kept
        """
        if generation in (None, self.root.generation):
            return self
        root = self.root.at(generation or 0)
        if root is None or str(generation) not in self.job.earlier:
            raise JobError(f"{source} keeps no generation {generation}; it has {', '.join(map(str, self.generations))}")
        body = self.job.earlier[str(generation)]
        complete = Complete.of(body.get(_COMPLETE, {}), source)
        return OutputFile(Found(RootFile(root, body), self.base.tag), JobFile.of(body, source), complete)

    @property
    def updated_from(self) -> dict[str, Any]:
        """`JobFile.earlier` of the job that updates this output."""
        if self.complete is None:
            return dict(self.job.earlier)
        body = {name: value for name, value in self.base.file.body.items() if name != _EARLIER}
        return {**self.job.earlier, str(self.root.generation): body}

    def counted(self, key: str) -> PartName | None:
        """The part whose manifest has this key; None if it does not count.

        Raises:
            JobError: The key is not a manifest's
        """
        part = PartName.parse(key)
        return part if is_counted(self.root, part) else None

    def is_kept(self, key: str) -> bool:
        """Whether the manifest of this key counted in a state that an update has replaced, and that is kept.

        Raises:
            JobError: The key is not a manifest's
        """
        stamp = PartName.parse(key).stamp
        return bool(stamp) and is_kept(self.root, Stamp.parse(stamp))

    def names_fault(self, counted: NameDigest) -> str:
        """How the manifests that count differ from those of the completed job; "" if they do not."""
        promised = self.root.names
        if promised is None or counted == promised:
            return ""
        if counted.num_names != promised.num_names:
            return f"{counted.num_names} of {promised.num_names} manifests are there"
        return f"manifests were replaced: {promised.num_names} are there, and not under the names that they had"

    @property
    def is_updated(self) -> bool:
        """Whether an update has made this state: its windows are not those of the corpus."""
        return self.root.generation > 1

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
    """The mark of completeness as it was written; {} if it is missing."""
    if file.root.run:
        return file.body.get(_COMPLETE, {})
    try:
        return parsed(get_bounded(storage, COMPLETE_KEY), storage.location(COMPLETE_KEY))
    except StorageMissing:
        return {}
