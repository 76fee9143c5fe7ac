"""Names that carry a fencing token: whose run wrote an object is told from its key alone.

Guaranteed: `Stamp.parse` inverts `str`, and so does `ObjectName.parse` for what the key says of shard and run; each
has one spelling. A key that is not exactly of a known form belongs to nothing here: it never counts and is never dead.
Not known here: which runs count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from ...actors.records.keys import AUDIO_PREFIX, MANIFEST_PREFIX, TEXT_PREFIX
from ...actors.records.part_name import REJECTED
from ...errors import JobError

TAG = r"[0-9a-f]{4,16}"
_WHOLE = r"0|[1-9][0-9]{0,17}"
_RUN = rf"r({TAG})-([1-9][0-9]{{0,17}})"
_STAMP = re.compile(rf"{_RUN}(?:\.n({_WHOLE}))?")


@dataclass(frozen=True, slots=True)
class Stamp:
    """The part of an object's name that says who wrote it: `r5f3a-7`, or `r5f3a-7.n42` with the number of a commit.

    Attributes:
        tag: Random, of the first claim of the output: lowercase hexadecimal.
        run: Number of the claim, from 1; 0 for names of format 2, which carry no stamp.
        number: The number of the commit in its run, from 0; None in names of audio.
    """

    tag: str
    run: int
    number: int | None = None

    def __str__(self) -> str:
        return f"r{self.tag}-{self.run}" + ("" if self.number is None else f".n{self.number}")

    @classmethod
    def parse(cls, text: str) -> Stamp:
        """Read a stamp.

        Raises:
            JobError: For anything that `str` does not write
        """
        if match := _STAMP.fullmatch(text):
            return _stamp(*match.groups())
        raise JobError(f"{text!r:.80} is no stamp of a run; one is written like {cls('5f3a', 7, 42)}")


UNSTAMPED = Stamp("", 0)
"""Of every name of format 2."""


class Kind(Enum):
    """What a key is the name of."""

    MANIFEST = auto()
    AUDIO = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class ObjectName:
    """What a key says. `shard_id` is "000012-0003", or "000012-rejected"."""

    kind: Kind
    shard_id: str
    stamp: Stamp

    @classmethod
    def parse(cls, key: str) -> ObjectName | None:
        """Read a key, of format 2 too; None for one that no run writes."""
        return _parse(key)

    @classmethod
    def of(cls, key: str) -> ObjectName:
        """Read a key that a run has written."""
        name = _parse(key)
        assert name is not None, f"{key} is no name that a run writes"
        return name


_SHARD = r"[0-9]{6,18}-[0-9]{4,18}"
_NUMBERED = rf"{_RUN}\.n({_WHOLE})"
_TOLD = r"(?:\.un[0-9]{1,18})?(?:\.q[0-9]{1,18}-[0-9]{1,18}-[0-9]{1,18})?"
_COUNTS = rf"ok[0-9]{{1,18}}\.failed[0-9]{{1,18}}\.ms[0-9]{{1,18}}{_TOLD}\.[0-9a-f]{{1,64}}(?:\.[0-9a-f]{{16}})?"
_MANIFEST = re.compile(
    rf"{re.escape(MANIFEST_PREFIX)}([0-9]{{6,18}})/([0-9]{{4,18}}|{REJECTED})(?:\.{_NUMBERED})?\.{_COUNTS}\.jsonl"
)
# A clip's name is made from its row's id, and may look like a stamp: only what follows the shard is one.
_AUDIO = re.compile(
    rf"{re.escape(AUDIO_PREFIX)}(?:[0-9a-f]+/)?({_SHARD})-(?:{_RUN}-)?[A-Za-z0-9]+(?:[./].+)?", re.DOTALL
)
_CLIP = re.compile(
    rf"{re.escape(AUDIO_PREFIX)}(?:[0-9a-f]+/)?([0-9]{{6,18}})-[0-9]{{6,18}}/[0-9]{{9,18}}-[A-Za-z0-9_-]*"
    rf"\.([0-9]{{4,18}})-(?:{_RUN}-)?[A-Za-z0-9]+\.[a-z0-9]+"
)
_TEXT = re.compile(rf"{re.escape(TEXT_PREFIX)}({_SHARD})(?:-{_NUMBERED})?\.jsonl")


@lru_cache(4096)
def _parse(key: str) -> ObjectName | None:
    if match := _MANIFEST.fullmatch(key):
        return ObjectName(Kind.MANIFEST, f"{match[1]}-{match[2]}", _stamp(match[3], match[4], match[5]))
    if match := _CLIP.fullmatch(key):
        return ObjectName(Kind.AUDIO, f"{match[1]}-{match[2]}", _stamp(match[3], match[4], None))
    if match := _AUDIO.fullmatch(key):
        return ObjectName(Kind.AUDIO, match[1], _stamp(match[2], match[3], None))
    if match := _TEXT.fullmatch(key):
        return ObjectName(Kind.TEXT, match[1], _stamp(match[2], match[3], match[4]))
    return None


def _stamp(tag: str | None, run: str | None, number: str | None) -> Stamp:
    if tag is None or run is None:
        return UNSTAMPED
    return Stamp(tag, int(run), None if number is None else int(number))
