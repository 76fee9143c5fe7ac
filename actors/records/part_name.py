"""The name of a part's manifest, with the counts of its rows, so that a listing alone says what is done.

Guaranteed: `PartName.parse` inverts `key`, and each part has one spelling. Not known here: where manifests lie, and
which of them count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import JobError
from .keys import MANIFEST_PREFIX
from .record import Record
from .verdicts import NO_VERDICTS, VerdictCounts

REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class PartName:
    """The name of a part's manifest, which is also its receipt.

    Attributes:
        index: Position of the shard in its window, None for the rows that were rejected while planning
        audio_ms: Sum of `Record.audio_ms`
        digest: Of the rows as the corpus has them, lowercase hex
        stamp: The run that wrote it and the number of its commit: "r5f3a-7.n42"; "" in format 2
        content: Hash of the manifest's bytes (`content_digest`); "" in format 2
        num_unspoken: Rows that are ok and leave out some of their text; told in the name where there are any
        verdicts: Rows that did not simply pass their judges; told in the name where there are any
    """

    window: int
    index: int | None
    num_ok: int
    num_failed: int
    audio_ms: int
    digest: str
    stamp: str = ""
    content: str = ""
    num_unspoken: int = 0
    verdicts: VerdictCounts = NO_VERDICTS

    @classmethod
    def of(cls, window: int, index: int | None, digest: str, records: Iterable[Record]) -> PartName:
        """The name of a manifest that holds these records."""
        num_ok = num_failed = audio_ms = num_unspoken = 0
        records = list(records)
        for record in records:
            num_unspoken += record.status == "ok" and bool(record.unspoken)
            num_ok += record.status == "ok"
            num_failed += record.status == "failed"
            audio_ms += record.audio_ms
        verdicts = VerdictCounts.of(records)
        return cls(window, index, num_ok, num_failed, audio_ms, digest, num_unspoken=num_unspoken, verdicts=verdicts)

    @property
    def shard_id(self) -> str:
        """The shard that the part holds: "000012-0003", or "000012-rejected"."""
        return f"{self.window:06d}-{self._shard}"

    @property
    def key(self) -> str:
        """The manifest's key in the output."""
        counts = f"ok{self.num_ok}.failed{self.num_failed}.ms{self.audio_ms}"
        if self.num_unspoken:
            counts += f".un{self.num_unspoken}"
        if judged := self.verdicts:
            counts += f".q{judged.num_rejected}-{judged.num_again}-{judged.num_unheard}"
        stamp, content = f".{self.stamp}" if self.stamp else "", f".{self.content}" if self.content else ""
        return f"{MANIFEST_PREFIX}{self.window:06d}/{self._shard}{stamp}.{counts}.{self.digest}{content}.jsonl"

    @property
    def _shard(self) -> str:
        return REJECTED if self.index is None else f"{self.index:04d}"

    @classmethod
    def parse(cls, key: str) -> PartName:
        """Read a manifest's key.

        Raises:
            JobError: For any other key
        """
        match = _KEY.fullmatch(key)
        if match:
            window, shard, stamp, num_ok, num_failed, audio_ms, num_unspoken, *judged, digest, content = match.groups(
                ""
            )
            index = None if shard == REJECTED else int(shard)
            counts = int(num_ok), int(num_failed), int(audio_ms)
            verdicts = VerdictCounts(*(int(count or 0) for count in judged))
            name = cls(int(window), index, *counts, digest, stamp, content, int(num_unspoken or 0), verdicts)
            # Numbers have one spelling: "07" where "7" is meant would be a second name of the same part.
            if name.key == key and bool(stamp) == bool(content):
                return name
        raise JobError(f"{key!r:.200} is no manifest; one is called like {_EXAMPLE.key}")


_EXAMPLE = PartName(12, 3, 98, 2, 412345, "9f2c1a", "r5f3a-7.n42", "30081746a2ed98e1")
_KEY = re.compile(
    re.escape(MANIFEST_PREFIX) + r"([0-9]{6,18})/([0-9]{4,18}|rejected)"
    r"(?:\.(r[0-9a-f]{4,16}-[1-9][0-9]{0,17}\.n(?:0|[1-9][0-9]{0,17})))?"
    r"\.ok([0-9]{1,18})\.failed([0-9]{1,18})\.ms([0-9]{1,18})(?:\.un([0-9]{1,18}))?"
    r"(?:\.q([0-9]{1,18})-([0-9]{1,18})-([0-9]{1,18}))?\.([0-9a-f]{1,64})(?:\.([0-9a-f]{16}))?\.jsonl"
)
