"""The laws of a judge, each a function that raises Broken with what it found. They know a judge by its interface alone.

Not known here: how a judge is loaded, what is reported, whether a judge is right.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from ...actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict
from ...actors.judges.recogniser import Recogniser
from ...actors.judges.registry import describe_judge
from ...errors import ModelError, RowError
from .subject import Broken, Skipped

_HEAVY = ("torch", "onnxruntime", "ctranslate2", "faster_whisper", "ray")


@dataclass(frozen=True, slots=True)
class JudgeSubject:
    """A loaded judge, and clips at its rate that it can judge: two or more, each of another text."""

    config: JudgeConfig
    judge: Judge
    clips: tuple[Hearing, ...]

    @property
    def info(self) -> JudgeInfo:
        return self.judge.info

    def verdicts(self, clips: Sequence[Hearing]) -> list[Verdict]:
        """What the judge says of them, in batches of the size that it takes."""
        size = self.info.max_batch if self.info.is_batch_invariant else 1
        found: list[Verdict] = []
        for at in range(0, len(clips), size):
            batch = clips[at : at + size]
            answer = list(self.judge.judge(batch))
            if len(answer) != len(batch):
                raise Broken(f"{len(answer)} verdicts for {len(batch)} clips")
            found += answer
        return found


def describes_itself(subject: JudgeSubject) -> None:
    """`describe` says what makes sense, twice the same; of speechmill's own, none imports a heavy library."""
    info = describe_judge(subject.config)
    for is_right, what in (
        (info == describe_judge(subject.config), "a second call says something else"),
        (info == subject.info, "the loaded judge's `info` is another one"),
        (bool(info.name and info.revision), "name and revision must not be empty"),
        (info.sample_rate is None or 4_000 <= info.sample_rate <= 192_000, f"sample_rate is {info.sample_rate} Hz"),
        (info.max_batch >= 1, f"max_batch is {info.max_batch}"),
        (info.cost_s >= 0 and math.isfinite(info.cost_s), f"cost_s is {info.cost_s}"),
        (all(map(math.isfinite, info.thresholds.values())), "a threshold is no finite number"),
        (set(info.rejects_below) <= set(info.thresholds), "rejects_below names what is no threshold"),
    ):
        if not is_right:
            raise Broken(what)
    config = json.dumps(asdict(subject.config))
    code = (
        "import json, sys; from speechmill.actors.judges.base import JudgeConfig; "
        "from speechmill.actors.judges.registry import describe_judge; "
        f"sys.path[:0] = {sys.path!r}; describe_judge(JudgeConfig(**json.loads({config!r}))); "
        f"print(*[name for name in {_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it failed"]
        raise Broken(f"it cannot be described in another process: {lines[-1]}")
    if done.stdout.split() and ":" not in subject.config.name:
        raise Broken(f"describing it imports {', '.join(done.stdout.split())}: the driver would wait for that")


def refuses_what_is_wrong(subject: JudgeSubject) -> None:
    """An unknown option is a ModelError before anything is loaded."""
    config = replace(subject.config, options={**subject.config.options, "nonsuch": 1})
    try:
        describe_judge(config)
    except ModelError:
        return
    except Exception as error:
        raise Broken(f"an unknown option raises {type(error).__name__}, where ModelError is expected") from error
    raise Broken("an option that it does not have is accepted in silence")


def answers_each_clip(subject: JudgeSubject) -> None:
    """One verdict for each clip; scores are finite numbers, reasons sentences, and no clip is judged and unheard."""
    for clip, verdict in zip(subject.clips, subject.verdicts(subject.clips), strict=True):
        for name, value in dict[str, object](verdict.scores).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise Broken(f"{clip.text!r} has the score {name} {value!r}, which is no finite number")
        if not all(isinstance(reason, str) and reason for reason in list[object](verdict.reasons)):
            raise Broken(f"{clip.text!r} is rejected for {verdict.reasons!r}: reasons are texts")
        if verdict.reasons and verdict.is_unheard:
            raise Broken(f"{clip.text!r} is rejected and unheard at once")


def repeats_itself(subject: JudgeSubject) -> None:
    """The same clip has the same verdict a second time, to the bit, whatever was judged in between."""
    first = subject.verdicts(subject.clips[:1])
    subject.verdicts(subject.clips[1:])
    _same(subject.clips[:1], first, subject.verdicts(subject.clips[:1]), "a second time")


def depends_on_no_batch_mate(subject: JudgeSubject) -> None:
    """A clip's verdict is the same alone, among others, and in another order."""
    if not subject.info.is_batch_invariant:
        raise Skipped("it is asked with one clip at a time (is_batch_invariant is False)")
    first = subject.clips[0]
    clips = (*subject.clips, replace(first, samples=first.samples[: len(first.samples) // 3]))
    alone = [subject.verdicts([clip])[0] for clip in clips]
    _same(clips, alone, subject.verdicts(clips), "in a batch")
    _same(clips[::-1], alone[::-1], subject.verdicts(clips[::-1]), "in another order")


def leaves_clips_as_they_are(subject: JudgeSubject) -> None:
    """The samples are not changed: they are stored afterwards."""
    before = [clip.samples.tobytes() for clip in subject.clips]
    subject.verdicts(subject.clips)
    if before != [clip.samples.tobytes() for clip in subject.clips]:
        raise Broken("it changes the samples of a clip")


def survives_odd_clips(subject: JudgeSubject) -> None:
    """Silence, no samples, one sample, full scale, no word and a strange voice are verdicts, or a RowError."""
    clip, rate = subject.clips[0], subject.clips[0].sample_rate
    odd = {
        "silence": replace(clip, samples=np.zeros(rate, np.float32)),
        "no samples": replace(clip, samples=np.zeros(0, np.float32)),
        "one sample": replace(clip, samples=np.ones(1, np.float32)),
        "full scale": replace(clip, samples=np.ones(rate, np.float32)),
        "a text without a word": replace(clip, text="…"),
        "an empty text": replace(clip, text=""),
        "an unknown voice": replace(clip, voice="nonsuch"),
        "an unknown language": replace(clip, language=""),
        "an extreme speed": replace(clip, speed=0.25),
    }
    for what, own in odd.items():
        try:
            subject.verdicts([own])
        except RowError:
            continue
        except Broken:
            raise
        except Exception as error:
            raise Broken(f"{what} raises {type(error).__name__}: {error}") from error


def passes_no_silence_as_words(subject: JudgeSubject) -> None:
    """A recogniser does not pass silence: it is rejected or unheard."""
    if not isinstance(subject.judge, Recogniser):
        raise Skipped("it is no Recogniser")
    silent = replace(subject.clips[0], samples=np.zeros_like(subject.clips[0].samples))
    if subject.verdicts([silent])[0].name == "passed":
        raise Broken("silence passes")


JUDGE_LAWS: tuple[Callable[[JudgeSubject], None], ...] = (
    describes_itself,
    refuses_what_is_wrong,
    answers_each_clip,
    repeats_itself,
    depends_on_no_batch_mate,
    leaves_clips_as_they_are,
    survives_odd_clips,
    passes_no_silence_as_words,
)


def _same(clips: Sequence[Hearing], wanted: Sequence[Verdict], found: Sequence[Verdict], when: str) -> None:
    for clip, one, other in zip(clips, wanted, found, strict=True):
        if one != other:
            raise Broken(f"{clip.text!r} is judged otherwise {when}: {other!r} where {one!r} was")
