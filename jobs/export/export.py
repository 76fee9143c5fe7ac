"""`speechmill export`: every clip of an output, once, as a training toolkit reads it.

Guaranteed: clips stream from the output to the export, and memory does not grow with their number. `export.json` is
the first write and the last: while it says "open", the export is unfinished, and the same command writes it anew.
What was not written by an export is never replaced and never deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

from ...cluster.storage import Storage
from ...errors import JobError, SpecError, StorageMissing, did_you_mean
from ..corpus.parallel import in_order
from ..output.bounded_read import get_bounded
from ..output.output_file import OutputFile
from ..output.reader import Layout, encoded_clips
from ..output.stored import Amount, Count, Stored, checked, parsed
from .base import Exporter, speaker_of
from .clip import ExportedClip, SplitRule
from .hugging_face import HuggingFace
from .index import ExportIndex
from .lhotse import Lhotse
from .lists import AudioFolder, Kaldi, LJSpeech, Nemo

MARK_KEY = "export.json"
EXPORTERS: Mapping[str, type[Exporter]] = {
    "ljspeech": LJSpeech,
    "kaldi": Kaldi,
    "lhotse": Lhotse,
    "audiofolder": AudioFolder,
    "nemo": Nemo,
    "hf": HuggingFace,
}
RATES = (4_000, 192_000)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is asked of an export.

    Attributes:
        to: One of `EXPORTERS`
        sample_rate: Hz; None for that of the output

    Raises:
        SpecError: A value is not allowed
    """

    to: str
    sample_rate: int | None = None
    split: SplitRule = field(default_factory=SplitRule)

    def __post_init__(self) -> None:
        if self.to not in EXPORTERS:
            raise SpecError(f"--to {self.to!r:.40} is no format; {did_you_mean(self.to, list(EXPORTERS))}")
        lowest, highest = RATES
        if self.sample_rate is not None and not lowest <= self.sample_rate <= highest:
            raise SpecError(f"--sample-rate is {self.sample_rate}; it has to be {lowest} to {highest} Hz")
        if not 0 <= self.split.validation < 1:
            raise SpecError(f"--validation is {self.split.validation}; it has to be a share from 0 to below 1")
        if self.split.by not in ("row", "voice"):
            raise SpecError(f"--split-by is {self.split.by!r:.40}; it has to be row or voice")


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A finished export.

    Attributes:
        location: Where it is
        is_new: False if it was complete before, and nothing was written
        is_source_complete: Whether the output was complete; else the clips are those that it had then
    """

    location: str
    to: str
    num_clips: int
    num_train: int
    num_validation: int
    audio_s: float
    is_new: bool
    is_source_complete: bool


class _StoredResult(Stored):
    location: str
    to: str
    num_clips: Count
    num_train: Count
    num_validation: Count
    audio_s: Amount
    is_new: bool
    is_source_complete: bool


def export(
    source: Storage,
    target: Storage,
    options: ExportOptions,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ExportResult:
    """Write an export.

    Args:
        source: The output
        target: Where the export goes: an empty place, or one that holds an export
        overwrite: Delete another export that is there
        progress: Called with the number of clips so far

    Raises:
        JobError: There is no output, it is damaged, or the place holds something else
        StorageDenied: The place cannot be written
        StorageFull: No space is left, there or in the temporary folder
    """
    output = OutputFile.load(source)
    layout = Layout.of(source, output.job.spec)
    _refuse_inside(source, target)
    target.check(write=True)
    mark = _mark(output, options)
    if (found := _found(target, mark, overwrite=overwrite)) is not None:
        return replace(found, location=target.uri, is_new=False)
    _put_mark(target, mark, "open")
    exporter = EXPORTERS[options.to](target)

    def written(task: tuple[Any, bytes]) -> ExportedClip:
        clip = ExportedClip.of(source, *task, options.sample_rate, options.split)
        exporter.store(clip)
        return clip

    audio_s = 0.0
    try:
        with ExportIndex.opened() as index:
            clips = in_order(written, encoded_clips(source, output, layout.container))
            for number, clip in enumerate(clips, start=1):
                exporter.collect(clip)
                index.add(clip, speaker_of(clip.voice))
                audio_s += clip.duration_s
                if progress is not None:
                    progress(number)
            exporter.finish(index)
            train, validation = index.count("train"), index.count("validation")
    finally:
        exporter.abort()
    result = ExportResult(
        location=target.uri,
        to=options.to,
        num_clips=train + validation,
        num_train=train,
        num_validation=validation,
        audio_s=round(audio_s, 3),
        is_new=True,
        is_source_complete=output.complete is not None,
    )
    _put_mark(target, mark, "complete", result)
    return result


def _mark(output: OutputFile, options: ExportOptions) -> dict[str, Any]:
    """What tells one export from another: what it is of, and what was asked for."""
    root = json.dumps(output.root.to_json(), sort_keys=True)
    state = hashlib.sha256(f"{output.job.identity.fingerprint} {root}".encode()).hexdigest()
    return {
        "speechmill": version("speechmill"),
        "options": asdict(options),
        "of": state,
        "provenance": dict(output.job.provenance),
    }


def _put_mark(target: Storage, mark: Mapping[str, Any], state: str, result: ExportResult | None = None) -> None:
    told = {**mark, "state": state, **({"result": asdict(result)} if result else {})}
    target.put(MARK_KEY, json.dumps(told, indent=2).encode())


def _found(target: Storage, mark: Mapping[str, Any], *, overwrite: bool) -> ExportResult | None:
    """The result of this very export, if it is complete; None if it is to be written.

    Raises:
        JobError: Something else is there
    """
    try:
        there = parsed(get_bounded(target, MARK_KEY), target.location(MARK_KEY))
    except StorageMissing:
        stranger = next(iter(target.list()), None)
        if stranger is not None:
            raise JobError(
                f"{target.location(stranger.key)} is in the way: {target.uri} holds no export; choose an empty place"
            ) from None
        return None
    if overwrite:
        target.delete(entry.key for entry in target.list())
        return None
    if any(there.get(name) != mark[name] for name in ("options", "of")):
        raise JobError(
            f"{target.uri} holds another export: of another state of the output, or with other options; choose an "
            "empty place, or --overwrite to delete it"
        )
    if there.get("state") != "complete":
        return None
    what = f"{target.location(MARK_KEY)} has a result that cannot be read"
    result = checked(_StoredResult, there.get("result"), what, "delete the export with --overwrite")
    return ExportResult(**result.model_dump())


def _refuse_inside(source: Storage, target: Storage) -> None:
    one, other = (storage.uri.rstrip("/") + "/" for storage in (source, target))
    if one.startswith(other) or other.startswith(one):
        raise SpecError(f"the export {target.uri} and the output {source.uri} lie in each other; keep them apart")
