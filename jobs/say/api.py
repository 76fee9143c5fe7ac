"""What `speechmill.say` does: speak a text here and now, the first sound as soon as possible.

Starts no cluster. Not known here: how a model streams, how text is cut, or who listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...actors.models.base import AutoregressiveModel, Model, ModelConfig
from ...actors.models.registry import load, model_class
from ...actors.models.voice_reference import MAX_SEED
from ...actors.records.reference import Reference
from ...actors.records.utterance import Segment
from ...actors.replica.streaming import PAUSE_S, speak_stream
from ...actors.text.clauses import ChunkSize, chunk_tokens_of
from ...errors import ModelError, RowRejected, SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Speech(Iterator["NDArray[np.float32]"]):
    """Speech that is made as it is read, once: pieces float32 [num_samples] in -1 … 1, silences among them.

    Reading raises RowError for text that cannot be spoken, once what came before it is read.

    Attributes:
        sample_rate: Hz
        model: The loaded model; give it to the next `say`, which then starts at once
    """

    def __init__(self, model: Model, pieces: Iterator[NDArray[np.float32]]) -> None:
        self.model = model
        self.sample_rate = model.info.sample_rate
        self._pieces = pieces

    def __next__(self) -> NDArray[np.float32]:
        return next(self._pieces)


def say(
    text: str | Iterable[str],
    *,
    model: str | Model = "hibari",
    voice: str = "",
    seed: int = 0,
    speed: float = 1.0,
    reference: tuple[str | Path, str] | None = None,
    pause_s: float = PAUSE_S,
    streaming_text_chunk_size: ChunkSize = "auto",
    path: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    begun: Callable[[Segment], None] | None = None,
) -> Speech:
    """Speak a text, or one that arrives in parts, such as a language model's answer: pieces as soon as they are there.

    Args:
        model: A name as in a job, or a model that is loaded already
        reference: A recording to speak with the voice of, in place of `voice`: a file, and the words in it
        streaming_text_chunk_size: A piece after the first ends with the clause or sentence by which it has so many text
            tokens, 1 to 10,000; a token is about four letters, or one character of Chinese, Japanese or Korean. None:
            whole sentences. "auto": 10 for text that arrives in parts, None for a str
        path: Of a model that is named, as in a job
        device: Of a model that is named, as in a job
        options: Of a model that is named, as in a job
        begun: Is told of each segment right before it is spoken

    Raises:
        ModelError: The job is wrong, raised at once; errors of the text are raised when it is reached
        SpecError: The job is wrong, raised at once; errors of the text are raised when it is reached
    """
    tokens = chunk_tokens_of(text, streaming_text_chunk_size)
    if isinstance(model, str):
        config = ModelConfig(model, device, voice=voice, path=path, options=options or {})
        model = loaded(config)
    elif path is not None or options:
        raise SpecError("path and options belong to a model that is named; this one is loaded already")
    _check(model, voice, seed, speed)
    pieces = speak_stream(
        model,
        text,
        voice=voice,
        seed=seed,
        speed=speed,
        pause_s=pause_s,
        streaming_text_chunk_size=tokens,
        begun=begun,
        reference=None if reference is None else _reference(model, *reference),
    )
    return Speech(model, pieces)


def _reference(model: Model, file: str | Path, words: str) -> Reference:
    """The recording in a file.

    Raises:
        ModelError: The model clones no voice
        SpecError: The file is of no use
    """
    info = model.info
    if "reference" not in info.voice_forms:
        raise ModelError(f"{info.name} speaks with no voices of recordings; leave reference out")
    from ...actors.audio.reference_clip import decode_reference

    try:
        return decode_reference(Path(file).read_bytes(), words, info.reference_s)
    except (OSError, RowRejected) as error:
        raise SpecError(f"reference {str(file)!r:.300}: {getattr(error, 'strerror', None) or error}") from error


def loaded(config: ModelConfig) -> Model:
    """A model for one speaker at a time."""
    if not issubclass(model_class(config.name), AutoregressiveModel):
        return load(config)
    from ...actors.replica.loaded_model import tuned
    from ...actors.replica.receipt import ReplicaConfig

    return tuned(ReplicaConfig(config, batch_rows=1)).model


def _check(model: Model, voice: str, seed: int, speed: float) -> None:
    """Raise ModelError for a voice, SpecError for a seed or a speed that the model does not have."""
    info = model.info
    if fault := info.voice_fault(voice):
        raise ModelError(f'voice "{voice or info.default_voice}" {fault}')
    if not 0 <= seed <= MAX_SEED:
        raise SpecError(f"seed {seed} is not an integer from 0 to 2**63 - 1")
    if fault := info.speed_fault(speed):
        raise SpecError(f"speed is {speed:g}; {fault}")
