"""Rows and seconds of audio, summed over parts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ...actors.records.verdicts import NO_VERDICTS, VerdictCounts


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows and seconds of audio that are committed; of the rows that are ok, those with unspoken text."""

    num_ok: int = 0
    num_failed: int = 0
    audio_s: float = 0.0
    num_unspoken: int = 0
    verdicts: VerdictCounts = NO_VERDICTS

    @property
    def num_rows(self) -> int:
        return self.num_ok + self.num_failed

    def plus(
        self,
        num_ok: int,
        num_failed: int,
        audio_s: float,
        num_unspoken: int = 0,
        verdicts: VerdictCounts = NO_VERDICTS,
    ) -> Totals:
        """These totals plus those of a part."""
        return Totals(
            self.num_ok + num_ok,
            self.num_failed + num_failed,
            self.audio_s + audio_s,
            self.num_unspoken + num_unspoken,
            self.verdicts + verdicts,
        )
