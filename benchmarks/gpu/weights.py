"""Random weights and the models on them; what sections need of a device."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechmill.actors.models.base import Model, ModelConfig
from speechmill.actors.models.chattts.checkpoint import layout as chattts
from speechmill.actors.models.chattts.checkpoint import random_weights as chattts_weights
from speechmill.actors.models.chattts.model import Chattts
from speechmill.actors.models.f5tts.checkpoint import layout as f5tts
from speechmill.actors.models.f5tts.checkpoint import random_weights as f5tts_weights
from speechmill.actors.models.kokoro.nets import sizes as kokoro
from speechmill.actors.records.utterance import Segment
from speechmill.errors import RowError

TESTS = Path(__file__).parents[2] / "tests"
TEXT = "The lamp is lit, and the door is open."


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a section runs.

    Attributes:
        folder: For weights, kept between sections
        is_tiny: Tiny weights and few rows: a dry run
    """

    folder: Path
    is_tiny: bool

    def of(self, full: Any, tiny: Any) -> Any:
        """One of two values."""
        return tiny if self.is_tiny else full

    def chattts_folder(self) -> Path:
        """Weights of ChatTTS, written once."""
        sizes = self.of(chattts.FULL, chattts.TINY)
        folder = self.folder / f"chattts-{sizes.hidden}"
        if not (folder / "done").exists():
            chattts_weights.write_random(folder, sizes, 0)
            (folder / "done").touch()
        return folder

    def f5tts_folder(self) -> Path:
        """Weights of F5-TTS, written once."""
        sizes, vocoder = self.of((f5tts.FULL, f5tts.FULL_VOCODER), (f5tts.TINY, f5tts.TINY_VOCODER))
        folder = self.folder / f"f5tts-{self.of('full', 'tiny')}"
        if not (folder / "done").exists():
            f5tts_weights.write_random(folder, sizes, vocoder, 0)
            (folder / "done").touch()
        return folder

    def kokoro_folder(self) -> Path:
        """Weights of Kokoro, written once, as the tests write them."""
        if str(TESTS) not in sys.path:
            sys.path.append(str(TESTS))
        from support import kokoro_files

        folder = self.folder / f"kokoro-{self.of('full', 'tiny')}"
        if not (folder / "done").exists():
            kokoro_files.write_folder(folder, self.of(kokoro.FULL, kokoro_files.TINY))
            (folder / "done").touch()
        return folder

    def chattts(self, device: str, slots: int | None, steps: int, **options: Any) -> Chattts:
        """ChatTTS whose rows all have `steps` steps, with so many slots.

        Raises:
            SystemExit: The slots do not fit
        """
        chosen = {"incomplete": "keep", "min_steps": steps, "max_steps": steps} | options
        model = Chattts(ModelConfig("chattts", device, path=str(self.chattts_folder()), options=chosen))
        usable = int(torch.cuda.mem_get_info()[0] * 0.9) if device == "cuda" else 16 << 30
        if not model.reserve(usable, slots):
            raise SystemExit(f"{slots} slots do not fit into {usable:,} bytes")
        return model


def rows(model: Model, count: int, text: str = TEXT, voice: str = "") -> list[Segment]:
    """Segments of one text with seeds of their own."""
    prepared = model.prepare(text, voice)
    return [Segment(row, 0, text, prepared, row, voice, 1.0) for row in range(count)]


def spoken(model: Chattts, segments: list[Segment]) -> dict[int, NDArray[np.float32]]:
    """Waveforms by row.

    Raises:
        RowError: A row was not spoken
    """
    waves: dict[int, NDArray[np.float32]] = {}
    for segment, wave in model.speak_rows(segments):
        if isinstance(wave, RowError):
            raise wave
        waves[segment.row] = wave
    return waves


def now() -> float:
    """Seconds, when all work of the device is done."""
    torch.cuda.synchronize()
    return time.perf_counter()


def difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """The level of the difference of two waveforms by the level of the second; infinite if the lengths differ."""
    if len(ours) != len(theirs):
        return float("inf")
    level = float(np.sqrt(np.mean(np.square(theirs, dtype=np.float64))))
    return float(np.sqrt(np.mean(np.square(ours.astype(np.float64) - theirs)))) / max(level, 1e-12)


def copy_bandwidth(num_bytes: int) -> float:
    """Bytes read and written per second by the fastest of some copies on the device."""
    source = torch.ones(num_bytes, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(6):
        began = now()
        target.copy_(source)
        best = min(best, now() - began)
    return 2 * num_bytes / best
