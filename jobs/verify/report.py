"""What verifying found: counts in full, names up to a bound."""

from __future__ import annotations

from dataclasses import dataclass

from ...actors.records.record import Record
from ..corpus.printable import printable
from ..output.complete import Complete

MAX_NAMED = 100


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The state of an output.

    Attributes:
        task: "speak", or "refine": then there are texts in place of clips.
        is_complete: The run has ended: every row was committed.
        num_parts: Shards with a manifest.
        num_rows: Rows of the corpus as the mark of completeness has them, None while incomplete.
        num_missing: Rows in no manifest: of `num_rows`, or up to the largest row seen while incomplete.
        num_clips: Clips that were read, `audio_bytes` in all.
        num_texts: Refined rows whose lines were read.
        num_compared: Rows of the corpus that were compared with the manifests; None where no corpus was given.
        audio_s: Seconds of audio, as the manifests have them.
        problems: The first `MAX_NAMED` of `num_problems`, a sentence each.
        orphans: Keys under audio/ (or text/) that no manifest names, the first `MAX_NAMED` of `num_orphans`.
        num_earlier: Objects that only earlier generations name, `earlier_bytes` in all; they stay until a sweep.
        num_swept: Objects deleted; `sweep_refused` says why none were, when that was asked.
        strays: Keys that are not speechmill's, the first `MAX_NAMED` of `num_strays`; they are left alone.
    """

    uri: str
    task: str
    is_complete: bool
    num_parts: int
    num_rows: int | None
    num_ok: int
    num_failed: int
    num_missing: int
    num_clips: int
    num_texts: int
    num_compared: int | None
    audio_s: float
    audio_bytes: int
    num_problems: int
    problems: tuple[str, ...]
    num_orphans: int
    orphan_bytes: int
    orphans: tuple[str, ...]
    num_earlier: int
    earlier_bytes: int
    num_swept: int
    sweep_refused: str | None
    num_strays: int
    strays: tuple[str, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing contradicts: true of a sound unfinished output too, so see `is_complete` beside it."""
        return self.num_problems == 0


class Findings:
    """What one pass has found so far."""

    def __init__(self) -> None:
        self.num_ok = self.num_failed = self.num_problems = 0
        self._audio_ms = self._num_clips = self._num_texts = self._audio_bytes = 0
        self._num_orphans = self._orphan_bytes = self._num_strays = 0
        self._num_earlier = self._earlier_bytes = 0
        self._num_compared: int | None = None
        self._problems: list[str] = []
        self._orphans: list[str] = []
        self._strays: list[str] = []

    def row(self, record: Record) -> None:
        """A row in a manifest."""
        self.num_ok += record.status == "ok"
        self.num_failed += record.status == "failed"
        self._audio_ms += record.audio_ms

    def clip(self, num_bytes: int) -> None:
        """A clip that was looked for; 0 bytes when it could not be read."""
        self._num_clips += num_bytes > 0
        self._audio_bytes += num_bytes

    def texts(self, count: int) -> None:
        """Refined rows whose lines were read."""
        self._num_texts += count

    def compared(self, count: int) -> None:
        """Rows of the corpus that were compared."""
        self._num_compared = count

    @property
    def audio_s(self) -> float:
        """Seconds of audio of the rows so far."""
        return self._audio_ms / 1000

    def problem(self, text: str) -> None:
        """Something that contradicts the output's promises."""
        self.num_problems += 1
        if len(self._problems) < MAX_NAMED:
            self._problems.append(printable(text))

    def orphan(self, key: str, num_bytes: int) -> None:
        """An object under audio/ (or text/) that no manifest names."""
        self._num_orphans += 1
        self._orphan_bytes += num_bytes
        if len(self._orphans) < MAX_NAMED:
            self._orphans.append(printable(key))

    def earlier(self, num_bytes: int) -> None:
        """An object that only an earlier generation names."""
        self._num_earlier += 1
        self._earlier_bytes += num_bytes

    def stray(self, key: str) -> None:
        """An object that is not speechmill's."""
        self._num_strays += 1
        if len(self._strays) < MAX_NAMED:
            self._strays.append(printable(key))

    def report(
        self,
        uri: str,
        task: str,
        complete: Complete | None,
        num_parts: int,
        num_missing: int,
        num_swept: int,
        sweep_refused: str | None,
    ) -> VerifyReport:
        """The findings as they stand."""
        return VerifyReport(
            uri=uri,
            task=task,
            is_complete=complete is not None,
            num_parts=num_parts,
            num_rows=None if complete is None else complete.num_rows,
            num_ok=self.num_ok,
            num_failed=self.num_failed,
            num_missing=num_missing,
            num_clips=self._num_clips,
            num_texts=self._num_texts,
            num_compared=self._num_compared,
            audio_s=self.audio_s,
            audio_bytes=self._audio_bytes,
            num_problems=self.num_problems,
            problems=tuple(self._problems),
            num_orphans=self._num_orphans,
            orphan_bytes=self._orphan_bytes,
            orphans=tuple(self._orphans),
            num_earlier=self._num_earlier,
            earlier_bytes=self._earlier_bytes,
            num_swept=num_swept,
            sweep_refused=sweep_refused,
            num_strays=self._num_strays,
            strays=tuple(self._strays),
        )
