"""speechmill turns a text corpus into a speech corpus; the same row always gives the same audio.

import speechmill

result = speechmill.Job(input={"uri": "corpus.csv"}, output={"uri": "speech"}).run()
for clip in speechmill.read(result.output):
print(clip.id, clip.duration_s)
"""

from .actors.models.base import BatchLimit, Model, ModelConfig, ModelInfo
from .actors.segment import Clip, Failure, Segment, Utterance
from .cluster.storage import S3Options
from .errors import JobError, RunStopped, SpeechmillError
from .jobs.api import Job
from .jobs.reader import read
from .jobs.result import Result
from .jobs.say import Speech, say

__all__ = [
    "BatchLimit",
    "Clip",
    "Failure",
    "Job",
    "JobError",
    "Model",
    "ModelConfig",
    "ModelInfo",
    "Result",
    "RunStopped",
    "S3Options",
    "Segment",
    "Speech",
    "SpeechmillError",
    "Utterance",
    "read",
    "say",
]
