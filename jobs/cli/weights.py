"""What `speechmill weights` does: check a folder of weights, fetch the published ones, write random ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...actors.batcher.budget import size as bytes_text
from ...actors.models.chattts.checkpoint.layout import CONFIG_FILE, FULL, TINY
from ...actors.models.chattts.checkpoint.random_weights import write_random
from ...actors.models.chattts.checkpoint.weights import Checkpoint
from ...actors.models.f5tts.checkpoint import layout as f5tts_layout
from ...actors.models.f5tts.checkpoint.random_weights import write_random as write_random_f5tts
from ...actors.models.f5tts.checkpoint.weights import Checkpoint as F5ttsCheckpoint
from ...actors.models.kokoro.checkpoint.npm import fetch_npm_voices
from ...actors.models.kokoro.checkpoint.sources import open_source
from ...actors.models.kokoro.voices.tables import voice_files
from ...actors.models.minicpmo.checkpoint import layout as minicpmo_layout
from ...actors.models.minicpmo.checkpoint.random_weights import write_random as write_random_minicpmo
from ...actors.models.minicpmo.checkpoint.weights import MinicpmoCheckpoint
from ...errors import SpecError

SIZES = {"full": FULL, "tiny": TINY}
MINICPMO_SIZES = {"full": minicpmo_layout.FULL, "tiny": minicpmo_layout.TINY}
F5TTS_SIZES = {
    "full": (f5tts_layout.FULL, f5tts_layout.FULL_VOCODER),
    "tiny": (f5tts_layout.TINY, f5tts_layout.TINY_VOCODER),
}


MODELS = ("chattts", "f5tts", "kokoro", "minicpmo")
"""Models whose weights are fetched, or lie in a folder."""


def split_arguments(arguments: Sequence[str]) -> tuple[str, Path | None]:
    """Model and folder of `weights [MODEL] [DIR]`; the model is ChatTTS where none is named.

    Raises:
        SpecError: More arguments, or a first of two that is no model with weights
    """
    model, rest = (
        ("chattts", arguments) if not arguments or arguments[0] not in MODELS else (arguments[0], arguments[1:])
    )
    if len(rest) > 1:
        raise SpecError(f'weights takes a model ({", ".join(MODELS)}) and a folder; "{rest[0]:.40}" is no such model')
    return model, Path(rest[0]) if rest else None


def check_kokoro(folder: Path | None, voices: str | None) -> Sequence[str]:
    """What is in a folder of Kokoro's, in lines; None for the published files, which are fetched if they are not there.

    Args:
        folder: With `kokoro-v1_0.pth`, `config.json` and `voices/`
        voices: "npm" to fetch the 54 voices of npm, and nothing else

    Raises:
        ModelError: For anything that is missing, damaged, of another model or not to be had
        SpecError: For another source of voices
    """
    if voices is not None:
        if voices != "npm" or folder is not None:
            raise SpecError("weights kokoro takes a folder to check, or --voices npm to fetch voices")
        fetched = voice_files(fetch_npm_voices())
        return [
            f"{len(fetched.names)} voices (Apache-2.0) are in {next(iter(fetched.paths.values())).parent}",
            "model: {name: kokoro, options: {weights: demo, voices: npm}}",
        ]
    source = open_source(None if folder is None else str(folder), "published", "own")
    source.check()
    assert source.weights_file is not None, "a folder has the file"
    weights = source.weights_file
    return [
        f"{bytes_text(weights.stat().st_size):>9}  {source.digest[:12]}  {weights}",
        f"Whole, with {len(source.voices.names)} voices: {', '.join(source.voices.names)}",
        f"model: {{name: kokoro, path: {weights.parent}}}",
    ]


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


def check_minicpmo(folder: Path | None) -> Sequence[str]:
    """What is in a folder of MiniCPM-o's, in lines: the files that are read, and how many tensors of each.

    Raises:
        ModelError: For anything that is missing, damaged or of another model, or no folder
    """
    checkpoint = MinicpmoCheckpoint.open(folder)
    sizes = checkpoint.sizes
    return [
        *(
            f"{bytes_text(path.stat().st_size):>9}  {f'{tensors} tensors read' if tensors else '':17}  {path}"
            for path, tensors in checkpoint.files.items()
        ),
        f"Whole: {checkpoint.digest[:12]}; voices of {sizes.llm_dim} or {sizes.network.hidden} numbers.",
        f"model: {{name: minicpmo, path: {checkpoint.folder}}}",
    ]


def check_f5tts(folder: Path | None) -> Sequence[str]:
    """The same for F5-TTS: network, vocabulary and vocoder.

    Raises:
        ModelError: For anything that is missing, damaged, of another model or not to be had
    """
    checkpoint = F5ttsCheckpoint.open(folder)
    checkpoint.load_vocoder("cpu")
    files = zip((checkpoint.weights, checkpoint.vocabulary, checkpoint.vocoder), checkpoint.sha256s, strict=True)
    kind = "the published weights (CC BY-NC 4.0)" if checkpoint.is_published else "not the published weights"
    return [
        *(f"{bytes_text(path.stat().st_size):>9}  {digest[:12]}  {path}" for path, digest in files),
        f"Whole, {kind}.",
        f"model: {{name: f5tts, path: {checkpoint.weights.parent}}}" if folder else "model: {name: f5tts}",
    ]


def write_weights(model: str, folder: Path, size: str, seed: int) -> Sequence[str]:
    """Random weights in the published shapes, or tiny ones; what was written, in lines.

    Raises:
        SpecError: For another size, or a model that has no random weights
        ModelError: If the folder is not empty of them or cannot be written
    """
    if size not in SIZES:
        raise SpecError(f'--size "{size:.40}" is none; use {" or ".join(SIZES)}')
    if model == "kokoro":
        raise SpecError("there are no random weights of kokoro; there are of chattts, f5tts and minicpmo")
    if model == "f5tts":
        write_random_f5tts(folder, *F5TTS_SIZES[size], seed)
        told = [line for line in check_f5tts(folder) if not line.startswith(("Whole", "model:"))]
    elif model == "minicpmo":
        write_random_minicpmo(folder, MINICPMO_SIZES[size], seed)
        told = check_minicpmo(folder)[:-2]
    else:
        write_random(folder, SIZES[size], seed)
        told = check_weights(folder)[:-2]
    return [*told, "Random: what they say is noise.", f"model: {{name: {model}, path: {folder}}}"]


def _files(checkpoint: Checkpoint) -> Sequence[tuple[Path, str]]:
    return [(checkpoint.files[name], checkpoint.sha256s[name]) for name in checkpoint.files]
