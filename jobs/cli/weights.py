"""What `speechmill weights` does: check a folder of ChatTTS weights, fetch the published ones, write random ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...actors.batcher.budget import size as bytes_text
from ...actors.models.chattts.checkpoint.layout import CONFIG_FILE, FULL, TINY
from ...actors.models.chattts.checkpoint.random_weights import write_random
from ...actors.models.chattts.checkpoint.weights import Checkpoint
from ...errors import SpecError

SIZES = {"full": FULL, "tiny": TINY}


def check_weights(folder: Path | None) -> Sequence[str]:
    """What is in a folder, in lines; None for the published weights, which are fetched if they are not there.

    Raises:
        ModelError: For anything that is missing, damaged, of another model or not to be had
    """
    checkpoint = Checkpoint.open(folder)
    kind = "the published weights (CC BY-NC 4.0)" if checkpoint.is_published else "not the published weights"
    statistics = "with" if checkpoint.statistics_file else "without"
    return [
        *(f"{bytes_text(path.stat().st_size):>9}  {digest[:12]}  {path}" for path, digest in _files(checkpoint)),
        f"Whole, {kind}, {statistics} statistics of speakers.",
        f"model: {{name: chattts, path: {checkpoint.files[CONFIG_FILE].parents[2]}}}",
    ]


def write_weights(folder: Path, size: str, seed: int) -> Sequence[str]:
    """Random weights in the published shapes, or tiny ones; what was written, in lines.

    Raises:
        SpecError: For another size
        ModelError: If the folder is not empty of them or cannot be written
    """
    if size not in SIZES:
        raise SpecError(f'--size "{size:.40}" is none; use {" or ".join(SIZES)}')
    write_random(folder, SIZES[size], seed)
    return [*check_weights(folder)[:-2], "Random: what they say is noise.", f"model: {{name: chattts, path: {folder}}}"]


def _files(checkpoint: Checkpoint) -> Sequence[tuple[Path, str]]:
    return [(checkpoint.files[name], checkpoint.sha256s[name]) for name in checkpoint.files]
