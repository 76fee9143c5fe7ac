"""The folder of a judging: what is judged by whom, the scores part by part, and at the end summary and list.

    judging.json                     the corpus, the judges with their revisions and thresholds, columns, share
    scores/<part>-<digest>.jsonl     a part: a line a clip (`JudgedClip`), written whole once all its clips are heard
    summary.json                     counts, quantiles, costs, the worst
    again.jsonl                      the rejected rows, as a job takes them
    driver.json                      the process that judges, or did last

Guaranteed: a part is there whole or not at all. Parts of another state of the corpus, which has changed since, do not
count, and are deleted at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...actors.records.keys import DRIVER_KEY
from ...cluster.containers.base import local_disk, path_of, scratch_file
from ...cluster.storage import Storage
from ...errors import JobChanged, JobError, StorageMissing
from ..output.bounded_read import MANIFEST_BYTES, get_bounded
from ..output.stored import parsed
from .audio_corpus import AudioPart
from .judged_clip import JudgedClip, decode_clips, encode_clips

JUDGING_KEY = "judging.json"
SCORES_PREFIX = "scores/"
SUMMARY_KEY = "summary.json"
AGAIN_KEY = "again.jsonl"
FORMAT = 1


class Results:
    """The results of one judging, in a store."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def begin(self, identity: Mapping[str, Any], *, overwrite: bool) -> dict[str, str]:
        """Begin, or go on; the keys of the parts that are judged, by their digest.

        Args:
            identity: All that decides what is said of a clip.
            overwrite: Delete what is there, whatever it is of.

        Raises:
            JobChanged: What is there is of another corpus, or by other judges
            JobError: It cannot be read
        """
        storage, wanted = self._storage, {"format": FORMAT, **json.loads(json.dumps(identity))}
        try:
            found: Mapping[str, Any] | None = parsed(get_bounded(storage, JUDGING_KEY), storage.location(JUDGING_KEY))
        except StorageMissing:
            found = None
        if overwrite:
            storage.delete([entry.key for entry in storage.list(SCORES_PREFIX)])
            storage.delete([SUMMARY_KEY, AGAIN_KEY])
        elif found is not None and (other := _differences(found, wanted)):
            raise JobChanged(
                f"{storage.uri} holds another judging; it differs in {'; '.join(other)}. Name another folder with "
                "--output, or --overwrite to judge anew"
            )
        elif found is None:
            foreign = next((entry.key for entry in storage.list() if entry.key != DRIVER_KEY), None)
            if foreign is not None:
                raise JobError(
                    f"{storage.uri} holds {foreign!r:.200} and no {JUDGING_KEY}: name a folder of its own with --output"
                )
        if found != wanted:
            storage.put(JUDGING_KEY, _encoded(wanted))
        return {_digest_of(entry.key): entry.key for entry in storage.list(SCORES_PREFIX) if entry.size}

    def commit(self, part: AudioPart, clips: Iterable[JudgedClip]) -> str:
        """Write the scores of a part; the key."""
        key = f"{SCORES_PREFIX}{part.name}-{part.digest}.jsonl"
        self._storage.put(key, encode_clips(clips))
        return key

    def clips(self, keys: Iterable[str]) -> Iterator[JudgedClip]:
        """The clips of these parts, a part in memory at a time.

        Raises:
            JobError: A line cannot be read
        """
        for key in keys:
            yield from decode_clips(get_bounded(self._storage, key, MANIFEST_BYTES), self._storage.location(key))

    def write_again(self, lines: Iterable[str]) -> None:
        """Write the list of rows to speak again; it grows on the disk, not in memory."""
        with scratch_file(".jsonl") as file:
            with local_disk():
                for line in lines:
                    file.write(line.encode("utf-8", "backslashreplace") + b"\n")
                file.flush()
            self._storage.put(AGAIN_KEY, path_of(file))

    def finish(self, keys: Iterable[str], summary: Mapping[str, Any]) -> None:
        """Write the summary, and delete scores of a corpus that is no more."""
        kept = set(keys)
        self._storage.put(SUMMARY_KEY, _encoded(summary))
        self._storage.delete([e.key for e in self._storage.list(SCORES_PREFIX) if e.key not in kept])


def read_scores(storage: Storage) -> Iterator[JudgedClip]:
    """All clips that are judged so far, in the order of the corpus's parts, a part in memory at a time.

    Raises:
        JobError: A line cannot be read; the message names the object and the line
    """
    yield from Results(storage).clips(entry.key for entry in storage.list(SCORES_PREFIX) if entry.size)


def _digest_of(key: str) -> str:
    return key.removesuffix(".jsonl").rpartition("-")[2]


def _encoded(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: {json.dumps(found.get(key))[:120]} there, {json.dumps(wanted.get(key))[:120]} now"
        for key in sorted({*found, *wanted})
        if found.get(key) != wanted.get(key)
    ]
