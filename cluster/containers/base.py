"""The door that every container stands behind: clips go in one part at a time, come back by their place, are audited.

Guaranteed: a clip counts only once its part's manifest names it, so a writer may fail at any moment; no id decides
where an object lies, however hostile it is; a part without clips writes no object; reading answers every place asked
for exactly once, with bytes or with the error that kept them. Not known here: manifests, audio.
"""

from __future__ import annotations

import errno
import hashlib
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ...actors.records.keys import AUDIO_PREFIX
from ...errors import JobError, StorageFull, StorageUnavailable
from ..storage.base import Storage

SLUG_CHARS = 64
_OPEN_FILES = Path("/proc/self/fd")

Member = str | int | None
"""Where a clip lies in its object: a tar member's name, a parquet row's index, None for the whole object."""
Place = tuple[str, Member]
"""Key of an object, and the member in it."""
ReadAnswer = tuple[Place, bytes | JobError]
"""The encoded clip at a place, or why it is not there."""


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """A clip but for its bytes: the names and the sidecar that a container gives it follow from this.

    Attributes:
        is_kept: An update has kept it: its object may hold other clips, which are not told of
    """

    row: int
    id: str
    sidecar: Mapping[str, object]
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in an object that is not as its writer writes it."""

    key: str
    text: str


class ContainerWriter(ABC):
    """One attempt at one part. It runs in the replica, in one thread; after `close` or `abort` it is done."""

    @abstractmethod
    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> Place:
        """Take a clip and say where it will lie.

        Args:
            row: Number of the row.
            id: The row's id.
            encoded: The clip as it is stored.
            sidecar: What a reader of the audio alone wants to know: text, voice, seed, speed, sample_rate, num_samples,
                duration_s, metadata.

        Returns:
            Its object, and where in that.

        Raises:
            StorageFull: No space or quota is left.
            StorageUnavailable: The store does not answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Upload what is not uploaded yet; every clip is in the store when it returns. Raises storage errors."""

    @abstractmethod
    def abort(self) -> None:
        """Give up: start no further upload and leave nothing on the local disk. May follow a failed `close`."""


class Container(ABC):
    """A way to keep the clips of a part. One object for all jobs; it holds no state."""

    name: str

    @abstractmethod
    def open_part(self, storage: Storage, part: str, extension: str, key_prefixes: int = 0) -> ContainerWriter:
        """Begin an attempt at a part.

        Args:
            storage: Where its objects go.
            part: A name of its own for this attempt: the shard's id, the run's stamp, and letters or digits
                ("000012-0003-r5f3a-7-9f2c1a"); its objects lie under `part_prefix`.
            extension: That of the audio format, without a dot.
            key_prefixes: See `shard_prefix`.
        """

    def keys_of(self, storage: Storage, part: str, key_prefixes: int = 0) -> Iterator[str]:
        """The keys of what an attempt at a part has stored.

        Args:
            storage: Where its objects are.
            part: The name that the attempt was opened with.
            key_prefixes: See `shard_prefix`.
        """
        return (entry.key for entry in storage.list(part_prefix(part, key_prefixes)))

    @abstractmethod
    def read(self, storage: Storage, places: Sequence[Place]) -> Iterator[ReadAnswer]:
        """The clips at these places, each once, in the order in which they are stored.

        A missing or damaged object is an answer; a store that cannot be reached raises StorageUnavailable.
        """

    @abstractmethod
    def audit(self, storage: Storage, told: Mapping[Place, ClipInfo], extension: str) -> Iterator[ReadAnswer | Fault]:
        """The same, and a fault for all else in these objects that a writer would not have made of these clips.

        Each object is read once, from its beginning to its end.

        Args:
            storage: Where the objects are.
            told: What the writer was told of each clip that the objects hold; of the kept clips of an object, not all.
            extension: That of the audio format, without a dot.
        """


_SHARD = r"[0-9]{6,}-[0-9]{4,}"
_PART = re.compile(f"({_SHARD})-" + r"((?:r[0-9a-f]+-[0-9]+-)?[A-Za-z0-9]+)")
_OWNED = re.compile(re.escape(AUDIO_PREFIX) + f"(?:[0-9a-f]+/)?({_SHARD})-")
_CLIP = re.compile(
    re.escape(AUDIO_PREFIX) + r"(?:[0-9a-f]+/)?([0-9]{6,})-[0-9]{6,}/[0-9]{9,}-[A-Za-z0-9_-]*"
    r"\.([0-9]{4,})-((?:r[0-9a-f]+-[0-9]+-)?[A-Za-z0-9]+)\.[a-z0-9]+"
)
FOLDER_ROWS = 1_000
"""Rows whose clips share a folder, where each clip is an object."""


def shard_prefix(shard_id: str, key_prefixes: int = 0) -> str:
    """The keys of a shard's objects begin with this, and no other shard's: "audio/000012-0003-".

    Args:
        shard_id: The shard, such as 000012-0003.
        key_prefixes: 0, or a power of 16: over so many prefixes ("audio/3f/000012-0003-") shards are spread by a hash
            of their ids, so that a store that divides its load by prefix can divide it.
    """
    num_digits = max(0, key_prefixes - 1).bit_length() // 4
    spread = hashlib.blake2b(shard_id.encode()).hexdigest()[:num_digits]
    return f"{AUDIO_PREFIX}{spread}{'/' if spread else ''}{shard_id}-"


def window_prefix(shard_id: str, key_prefixes: int = 0) -> str:
    """The keys of all objects of a shard begin with this, in every container: "audio/000012-".

    Shards of the same window may share it, and no others.
    """
    return shard_prefix(shard_id, key_prefixes).removesuffix(f"{shard_id.partition('-')[2]}-")


def part_prefix(part: str, key_prefixes: int = 0) -> str:
    """The keys of a part's objects begin with this.

    Raises:
        ValueError: For a name that could be another part's
    """
    shard_id, attempt = split_part(part)
    return shard_prefix(shard_id, key_prefixes) + attempt


def split_part(part: str) -> tuple[str, str]:
    """The shard in a part's name, and the attempt.

    Raises:
        ValueError: For a name that could be another part's
    """
    match = _PART.fullmatch(part)
    if not match:
        raise ValueError(f"{part!r} is no part's name; one is called like 000012-0003-r5f3a-7-9f2c1a")
    return match[1], match[2]


def clip_key(part: str, row: int, id: str, extension: str, key_prefixes: int = 0) -> str:
    """The key of a clip that is an object: "audio/000012-000098/000098304-mill-018.0003-r5f3a-7-9f2c1a.flac".

    Names sort as the rows of the corpus do, `FOLDER_ROWS` rows in a folder. What follows the dot is the shard in its
    window, and the attempt.

    Raises:
        ValueError: For a name that could be another part's
    """
    shard_id, attempt = split_part(part)
    folder = f"{window_prefix(shard_id, key_prefixes)}{row // FOLDER_ROWS:06d}"
    return f"{folder}/{stem(row, id)}.{shard_id.partition('-')[2]}-{attempt}.{extension}"


def part_of_clip(key: str) -> str | None:
    """The name of the part that such a key was made for; None for another key."""
    match = _CLIP.fullmatch(key)
    return f"{match[1]}-{match[2]}-{match[3]}" if match else None


def shard_of(key: str, key_prefixes: int = 0) -> str | None:
    """The id of the shard that an object was written for, None if it is not a shard's.

    All keys of a window, under the same key prefix, share their beginning, so that a listing has them together.
    """
    if part := part_of_clip(key):
        shard_id = split_part(part)[0]
        return shard_id if key.startswith(window_prefix(shard_id, key_prefixes)) else None
    match = _OWNED.match(key)
    return match[1] if match and key.startswith(shard_prefix(match[1], key_prefixes)) else None


def stem(row: int, id: str) -> str:
    """A clip's name without extension: its row, which makes it unique, and what is harmless of its id."""
    return f"{row:09d}-{re.sub(r'[^A-Za-z0-9_-]+', '_', id)[:SLUG_CHARS]}"


def scratch_file(suffix: str) -> IO[bytes]:
    """A temporary file, gone when it is closed.

    Where the system can open it all the same (`path_of`), it has no name: of a process that is killed nothing stays.
    """
    make = tempfile.TemporaryFile if _OPEN_FILES.exists() else tempfile.NamedTemporaryFile
    return make(prefix="speechmill-", suffix=suffix)


def path_of(scratch: IO[bytes]) -> Path:
    """A path to such a file while it is open."""
    return _OPEN_FILES / str(scratch.fileno()) if _OPEN_FILES.exists() else Path(scratch.name)


@contextmanager
def local_disk() -> Generator[None]:
    """Translate errors of the temporary folder: StorageFull when it is full, else StorageUnavailable."""
    try:
        yield
    except OSError as error:
        where = f"the temporary folder {tempfile.gettempdir()} of a replica"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull(f"{where} is full; make room there or set TMPDIR to a larger disk") from error
        raise StorageUnavailable(f"{where} cannot be written: {error}") from error


def by_object(places: Sequence[Place]) -> dict[str, list[Member]]:
    """Members to read, per object, in the order of their first mention and without repetition."""
    objects: dict[str, dict[Member, None]] = {}
    for key, member in places:
        objects.setdefault(key, {})[member] = None
    return {key: list(members) for key, members in objects.items()}


def by_key(told: Mapping[Place, ClipInfo]) -> dict[str, dict[Member, ClipInfo]]:
    """What was told of the clips of each object."""
    objects: dict[str, dict[Member, ClipInfo]] = {}
    for (key, member), clip in told.items():
        objects.setdefault(key, {})[member] = clip
    return objects


def misnamed(key: str, name: object, clip: ClipInfo, extension: str, wanted: str = "") -> Iterator[Fault]:
    """A fault where a clip does not bear the name that its row and id make; `wanted` is another form of it."""
    wanted = wanted or f"{stem(clip.row, clip.id)}.{extension}"
    if name != wanted:
        yield Fault(key, f"row {clip.row}: its clip is called {name!r:.200}; by its row and id it would be {wanted!r}")


def unanswered(storage: Storage, key: str, members: Sequence[Member], cause: Exception | None) -> Iterator[ReadAnswer]:
    """The answer for members of an object that were not found in it, because of `cause` if there is one."""
    for member in members:
        why = f"cannot be read: {cause}" if cause else "is not in it"
        error = JobError(f"{storage.location(key)}: member {member!r} {why}")
        error.__cause__ = cause
        yield (key, member), error
