"""A model for jobs on a cluster, whose workers find it by its name; see `Held`. A test lays this file into a folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import speechmill
from speechmill.actors.models.base import ModelConfig, ModelInfo
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.utterance import Segment

FOLDER = Path(__file__).parent
HOLD = FOLDER / "hold"
NOTES = FOLDER / "notes.jsonl"
ROW = "Row number "
"""What the texts of a test begin with; what a replica measures before does not count."""
FREE_ROWS = 4
"""Rows that a process speaks before it looks for the file."""


class Held(Tone):
    """A model that waits while the file `HOLD` is there, and says in `NOTES` which speechmill each process runs."""

    num_spoken = 0

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        _note("runs", speechmill.__file__, str(metadata.distribution("speechmill").locate_file("")))
        return super().describe(config)

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        num_rows = sum(segment.text.startswith(ROW) for segment in segments)
        if num_rows and self.num_spoken >= FREE_ROWS and HOLD.exists():
            _note("waits")
            while HOLD.exists():
                time.sleep(0.05)
        self.num_spoken += num_rows
        return super().speak(segments)


def _note(*what: str) -> None:
    with NOTES.open("a", encoding="utf-8") as file:
        file.write(json.dumps([os.getpid(), *what]) + "\n")
