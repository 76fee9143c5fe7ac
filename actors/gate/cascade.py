"""The judges of a job, asked one after the other about one clip. Pure: who answers is an argument.

Guaranteed: the first judge that rejects ends the hearing. The verdict of a clip depends on the clip, the judges and
the share alone. A clip passes only if every judge that was to be asked says so; one that cannot tell makes it unheard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..judges.base import Hearing, JudgeInfo, Verdict, VerdictName
from .config import is_dear

Ask = Callable[[int, Hearing], Verdict]
"""Asks the judge of this number about a clip."""


@dataclass(frozen=True, slots=True)
class ClipVerdict:
    """What all judges together say of one clip.

    Attributes:
        rejected_by: The judge that rejects it; "" if none does
        reasons: Its reasons
        unheard_by: Judges that could not tell
        scores: Numbers of all judges that were asked, as in "signal.gap_s"
        heard: What the last recogniser understood
        depth: Number of judges that were asked before the one that rejects, or all
    """

    rejected_by: str = ""
    reasons: tuple[str, ...] = ()
    unheard_by: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    heard: str = ""
    depth: int = 0

    @property
    def name(self) -> VerdictName:
        """One word for it."""
        return "rejected" if self.rejected_by else "unheard" if self.unheard_by else "passed"

    @property
    def told(self) -> str:
        """The judge and its reasons, for a message."""
        return f"{self.rejected_by}: {', '.join(self.reasons)}"


def hear(clip: Hearing, infos: Sequence[JudgeInfo], share: float, ask: Ask) -> ClipVerdict:
    """The verdict on a clip.

    Args:
        share: Of all rows, those that dear judges are asked about
        ask: Called with the number of a judge, in order, until one rejects
    """
    scores: dict[str, float] = {}
    unheard_by: list[str] = []
    heard, depth = "", 0
    for number, info in enumerate(infos):
        if is_dear(info) and not is_in_share(clip.id, share):
            continue
        verdict = ask(number, clip) if knows(info, clip.language) else Verdict(is_unheard=True)
        scores |= {f"{info.name}.{name}": float(value) for name, value in verdict.scores.items()}
        heard = verdict.heard or heard
        if verdict.name == "rejected":
            return ClipVerdict(info.name, verdict.reasons, tuple(unheard_by), scores, heard, depth)
        if verdict.name == "unheard":
            unheard_by.append(info.name)
        depth += 1
    return ClipVerdict("", (), tuple(unheard_by), scores, heard, depth)


def knows(info: JudgeInfo, language: str) -> bool:
    """Whether a judge can judge a language, as in "en" or "en-GB"; one that is not known is left to the judge."""
    return (
        not language
        or not info.languages
        or language.partition("-")[0] in {known.partition("-")[0] for known in info.languages}
    )


def is_in_share(id: str, share: float) -> bool:
    """Whether a row is among this share of all rows, by the hash of its id alone."""
    digest = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") < share * 2**64
