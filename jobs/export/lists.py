"""Formats that are WAV files and lists of lines: LJSpeech, Kaldi, NeMo, and the folders that `datasets` loads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from .base import Exporter, speaker_of
from .clip import SPLITS, ExportedClip, Split
from .index import ExportIndex

_FOLDER_COLUMNS = (
    *("file_name", "id", "text", "normalized_text", "voice", "seed", "speed"),
    *("sample_rate", "num_samples", "duration_s", "metadata"),
)


class LJSpeech(Exporter):
    """`wavs/NAME.wav` and `metadata.csv`: lines `NAME|text|normalized text`, in no quotes; a list of each split too."""

    def finish(self, index: ExportIndex) -> None:
        for split in (None, *SPLITS):
            with self.listing(f"{split or 'metadata'}.csv") as write:
                for clip in index.clips(split):
                    write("|".join((clip.name, _field(clip.text), _field(clip.normalized_text))))


class Kaldi(Exporter):
    """A data folder a split: `wav.scp`, `text`, `utt2spk`, `spk2utt`, `utt2dur`, sorted as in the C locale.

    An utterance is called SPEAKER-NAME, so that the order by utterances is one by speakers too.
    """

    def finish(self, index: ExportIndex) -> None:
        for split in SPLITS:
            lines = {
                "wav.scp": self._place,
                "text": lambda clip: clip.normalized_text,
                "utt2spk": lambda clip: speaker_of(clip.voice),
                "utt2dur": lambda clip: f"{clip.duration_s:.6f}",
            }
            for name, value in lines.items():
                with self.listing(f"{split}/{name}") as write:
                    for clip in index.clips(split, by_speaker=True):
                        write(f"{_utterance(clip)} {value(clip)}".rstrip())
            self._spk2utt(index, split)

    def _place(self, clip: ExportedClip) -> str:
        location = self._target.location(self.key_of(clip))
        return f"aws s3 cp {location} - |" if location.startswith("s3://") else location

    def _spk2utt(self, index: ExportIndex, split: Split) -> None:
        # A line is as long as its speaker has utterances: it is written in pieces.
        with self.listing(f"{split}/spk2utt", ends_lines=False) as write:
            speaker = None
            for clip in index.clips(split, by_speaker=True):
                if (found := speaker_of(clip.voice)) != speaker:
                    write(found if speaker is None else f"\n{found}")
                    speaker = found
                write(f" {_utterance(clip)}")
            if speaker is not None:
                write("\n")


class Nemo(Exporter):
    """A manifest a split, a JSON object a line; its paths are relative to the manifest."""

    def finish(self, index: ExportIndex) -> None:
        for split in SPLITS:
            with self.listing(f"{split}_manifest.json") as write:
                for clip in index.clips(split):
                    told = {
                        "audio_filepath": self.key_of(clip),
                        "duration": round(clip.duration_s, 6),
                        "text": clip.text,
                        "normalized_text": clip.normalized_text,
                        "speaker": clip.voice,
                    }
                    write(json.dumps(told, ensure_ascii=False))


class AudioFolder(Exporter):
    """A folder a split, with a `metadata.csv` in it: `datasets`' audiofolder."""

    def key_of(self, clip: ExportedClip) -> str:
        return f"{clip.split}/{clip.name}.wav"

    def finish(self, index: ExportIndex) -> None:
        for split in SPLITS:
            if not index.count(split):
                continue
            with self.listing(f"{split}/metadata.csv") as write:
                write(_csv_line(_FOLDER_COLUMNS))
                for clip in index.clips(split):
                    told = {"file_name": f"{clip.name}.wav", "duration_s": clip.duration_s}
                    write(_csv_line(told[name] if name in told else getattr(clip, name) for name in _FOLDER_COLUMNS))


def _field(text: str) -> str:
    """A text without the character that ends a field."""
    return " ".join(text.replace("|", " ").split())


def _utterance(clip: ExportedClip) -> str:
    return f"{speaker_of(clip.voice)}-{clip.name}"


def _csv_line(cells: Iterable[object]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="").writerow(list(cells))
    return text.getvalue()
