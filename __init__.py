"""speechmill turns a text corpus into a speech corpus; the same row always gives the same audio.

import speechmill

result = speechmill.Job(input={"uri": "corpus.csv"}, output={"uri": "speech"}).run()
for clip in speechmill.read(result.output):
    print(clip.id, clip.duration_s)

What is named here is loaded when it is first used: a replica, which starts again after each death, needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Limit, Verdict
    from .actors.judges.recogniser import Recogniser
    from .actors.models.base import BatchLimit, Model, ModelConfig, ModelInfo
    from .actors.records.utterance import Clip, Failure, Prepared, Segment, Utterance
    from .cluster.storage import S3Options
    from .errors import JobError, RunStopped, SpeechmillError
    from .jobs.api import Job
    from .jobs.judging.judging import judge
    from .jobs.output.reader import read
    from .jobs.run.result import Result
    from .jobs.say.api import Speech, say
    from .jobs.submission.handle import SubmittedJob

_MODULES = {
    "BatchLimit": "actors.models.base",
    "Clip": "actors.records.utterance",
    "Failure": "actors.records.utterance",
    "Hearing": "actors.judges.base",
    "Job": "jobs.api",
    "JobError": "errors",
    "Judge": "actors.judges.base",
    "JudgeConfig": "actors.judges.base",
    "JudgeInfo": "actors.judges.base",
    "Limit": "actors.judges.base",
    "Model": "actors.models.base",
    "ModelConfig": "actors.models.base",
    "ModelInfo": "actors.models.base",
    "Prepared": "actors.records.utterance",
    "Recogniser": "actors.judges.recogniser",
    "Result": "jobs.run.result",
    "RunStopped": "errors",
    "S3Options": "cluster.storage",
    "Segment": "actors.records.utterance",
    "Speech": "jobs.say.api",
    "SpeechmillError": "errors",
    "SubmittedJob": "jobs.submission.handle",
    "Utterance": "actors.records.utterance",
    "Verdict": "actors.judges.base",
    "judge": "jobs.judging.judging",
    "read": "jobs.output.reader",
    "say": "jobs.say.api",
}

__all__ = [
    "BatchLimit",
    "Clip",
    "Failure",
    "Hearing",
    "Job",
    "JobError",
    "Judge",
    "JudgeConfig",
    "JudgeInfo",
    "Limit",
    "Model",
    "ModelConfig",
    "ModelInfo",
    "Prepared",
    "Recogniser",
    "Result",
    "RunStopped",
    "S3Options",
    "Segment",
    "Speech",
    "SpeechmillError",
    "SubmittedJob",
    "Utterance",
    "Verdict",
    "judge",
    "read",
    "say",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("speechmill")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
