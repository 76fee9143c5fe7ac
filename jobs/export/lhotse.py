"""lhotse's manifests: recordings, supervisions, and the cuts of each split, as compressed JSON lines."""

from __future__ import annotations

import json
from typing import Any

from .base import Exporter
from .clip import SPLITS, ExportedClip
from .index import ExportIndex


class Lhotse(Exporter):
    """`recordings.jsonl.gz`, `supervisions.jsonl.gz`, `cuts_train.jsonl.gz` and `cuts_validation.jsonl.gz`."""

    def finish(self, index: ExportIndex) -> None:
        with self.listing("recordings.jsonl.gz", compressed=True) as write:
            for clip in index.clips():
                write(_line(self._recording(clip)))
        with self.listing("supervisions.jsonl.gz", compressed=True) as write:
            for clip in index.clips():
                write(_line(_supervision(clip)))
        for split in SPLITS:
            with self.listing(f"cuts_{split}.jsonl.gz", compressed=True) as write:
                for clip in index.clips(split):
                    write(_line(self._cut(clip)))

    def _recording(self, clip: ExportedClip) -> dict[str, Any]:
        location = self._target.location(self.key_of(clip))
        kind = "url" if location.startswith("s3://") else "file"
        return {
            "id": clip.name,
            "sources": [{"type": kind, "channels": [0], "source": location}],
            "sampling_rate": clip.sample_rate,
            "num_samples": clip.num_samples,
            "duration": clip.duration_s,
            "channel_ids": [0],
        }

    def _cut(self, clip: ExportedClip) -> dict[str, Any]:
        return {
            "id": clip.name,
            "start": 0,
            "duration": clip.duration_s,
            "channel": 0,
            "supervisions": [_supervision(clip)],
            "recording": self._recording(clip),
            "type": "MonoCut",
        }


def _supervision(clip: ExportedClip) -> dict[str, Any]:
    return {
        "id": clip.name,
        "recording_id": clip.name,
        "start": 0.0,
        "duration": clip.duration_s,
        "channel": 0,
        "text": clip.text,
        "speaker": clip.voice,
        "custom": {"normalized_text": clip.normalized_text, "id": clip.id, "seed": clip.seed, "speed": clip.speed},
    }


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
