"""Several judges as one: cheap ones first, and the first that rejects a clip ends its hearing.

Guaranteed: a clip's verdict depends on the clip alone, whatever its batch mates are and whatever a judge does with
them: a judge that raises, or gives another number of verdicts than it got clips, is asked again clip by clip, and what
it then does not answer is `unheard`, never passed. Not known here: where clips come from, threads, files.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from ...errors import SpecError
from .base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict, VerdictName
from .registry import describe_judge, load_judge

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEAR_COST_S = 0.005
"""A judge that costs more CPU seconds per second of audio hears the share of rows that is asked for."""


@dataclass(frozen=True, slots=True)
class CascadeVerdict:
    """What the judges together say of a clip.

    Attributes:
        name: "rejected" where one rejects; else "unheard" where one could not tell; else "passed"
        reasons: Each with its judge, as in "signal: gap 1.43 s > 1.2 s"; of a clip that is not rejected, why judges
            could not tell
        scores: Of all judges that were asked, by judge and score: "signal.gap_s"
        heard: What a recogniser understood, the last one that was asked
    """

    name: VerdictName = "passed"
    reasons: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    heard: str = ""


class Cascade:
    """Loaded judges, asked in the order of their cost.

    Args:
        judges: By the names under which they stand in scores and reasons.
        share: Of the clips that a dear judge hears (`DEAR_COST_S`), chosen by a hash of their id.
        clock: Seconds, for `busy_s`.

    Attributes:
        busy_s: Seconds that each judge was busy.
        audio_s: Seconds of audio that each judge was asked about.
    """

    def __init__(
        self, judges: Mapping[str, Judge], share: float = 1.0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._judges = dict(sorted(judges.items(), key=lambda pair: pair[1].info.cost_s))
        self._share = share
        self._clock = clock
        self.busy_s: Counter[str] = Counter()
        self.audio_s: Counter[str] = Counter()

    @classmethod
    def load(cls, configs: Sequence[JudgeConfig], share: float = 1.0) -> Cascade:
        """The judges of these configurations, loaded onto their devices.

        Raises:
            ModelError: A judge, its weights or its options are wrong
            SpecError: Two judges have one name
        """
        names = names_of(configs)
        return cls({name: load_judge(config) for name, config in zip(names, configs, strict=True)}, share)

    def hear(self, clips: Sequence[Hearing], *, to_the_end: bool = False) -> list[CascadeVerdict]:
        """A verdict for each clip, in order.

        Args:
            clips: At the rate at which they are stored; a judge gets them at its own.
            to_the_end: Ask all judges about all clips, also about rejected ones; for calibration.
        """
        said: list[dict[str, Verdict]] = [{} for _ in clips]
        for name, judge in self._judges.items():
            is_dear = judge.info.cost_s > DEAR_COST_S
            asked = [
                at
                for at, clip in enumerate(clips)
                if to_the_end
                or not (any(v.reasons for v in said[at].values()) or (is_dear and not in_share(clip.id, self._share)))
            ]
            begun_s = self._clock()
            for at, verdict in zip(asked, _asked(judge, [clips[at] for at in asked]), strict=True):
                said[at][name] = verdict
            self.busy_s[name] += self._clock() - begun_s
            self.audio_s[name] += sum(len(clips[at].samples) / clips[at].sample_rate for at in asked)
        return [_together(verdicts) for verdicts in said]


def names_of(configs: Sequence[JudgeConfig]) -> list[str]:
    """The names of judges, as they stand in scores and reasons.

    Raises:
        ModelError: A judge, its weights or its options are wrong
        SpecError: Two judges have one name
    """
    names = [describe_judge(config).name for config in configs]
    twice = [name for name, num in Counter(names).items() if num > 1]
    if twice:
        raise SpecError(f'quality.judges: "{twice[0]}" comes twice; name each judge once')
    return names


def in_share(row_id: str, share: float) -> bool:
    """Whether a row belongs to a share of all rows, 0 … 1; a larger share holds the rows of a smaller one."""
    digest = hashlib.blake2b(row_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"share").digest()
    return int.from_bytes(digest, "little") < share * 2**64


def knows(info: JudgeInfo, language: str) -> bool:
    """Whether a judge can judge a language; one that is not known ("") is tried."""
    known = {name.partition("-")[0].lower() for name in info.languages}
    return not known or not language or language.partition("-")[0].lower() in known


def _asked(judge: Judge, clips: Sequence[Hearing]) -> list[Verdict]:
    """The verdicts of one judge, one each."""
    info = judge.info
    size = info.max_batch if info.is_batch_invariant else 1
    verdicts: list[Verdict] = []
    if foreign := {at for at, clip in enumerate(clips) if not knows(info, clip.language)}:
        known = iter(_asked(judge, [clip for at, clip in enumerate(clips) if at not in foreign]))
        return [_foreign(clip.language) if at in foreign else next(known) for at, clip in enumerate(clips)]
    for start in range(0, len(clips), size):
        batch = [_at_rate(clip, info.sample_rate) for clip in clips[start : start + size]]
        try:
            answer = list(judge.judge(batch))
            if len(answer) != len(batch):
                raise ValueError(f"{len(answer)} verdicts for {len(batch)} clips")
        except Exception as error:  # a user's judge may raise anything
            answer = [_unheard(error)] if len(batch) == 1 else [_asked(judge, [clip])[0] for clip in batch]
        verdicts += answer
    return verdicts


def _foreign(language: str) -> Verdict:
    return Verdict(is_unheard=True, heard=f'does not know the language "{language}"')


def _unheard(error: Exception) -> Verdict:
    return Verdict(is_unheard=True, heard=f"{type(error).__name__}: {error}")


def _together(said: Mapping[str, Verdict]) -> CascadeVerdict:
    scores = {f"{name}.{score}": float(value) for name, v in said.items() for score, value in v.scores.items()}
    rejected = tuple(f"{name}: {reason}" for name, verdict in said.items() for reason in verdict.reasons)
    heard = next((v.heard for v in reversed(said.values()) if v.heard and not v.is_unheard), "")
    if rejected:
        return CascadeVerdict("rejected", rejected, scores, heard)
    unheard = tuple(f"{name}: {v.heard or 'could not tell'}" for name, v in said.items() if v.is_unheard)
    return CascadeVerdict("unheard" if unheard else "passed", unheard, scores, heard)


def _at_rate(clip: Hearing, sample_rate: int | None) -> Hearing:
    """The clip at the rate that a judge takes."""
    if sample_rate is None or sample_rate == clip.sample_rate:
        return clip
    return replace(clip, samples=resampled(clip.samples, clip.sample_rate, sample_rate), sample_rate=sample_rate)


def resampled(samples: NDArray[np.float32], sample_rate: int, wanted: int) -> NDArray[np.float32]:
    """float32 [num_samples] at `sample_rate` Hz, at `wanted` Hz; the same samples always give the same result."""
    import torch
    from torchaudio.functional import resample

    if not len(samples):
        return samples
    return cast("NDArray[np.float32]", resample(torch.from_numpy(samples.copy()), sample_rate, wanted).numpy())
