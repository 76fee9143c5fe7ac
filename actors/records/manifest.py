"""What is written down about every row: one `Record` a line, one manifest object a part, its receipt in its name.

Guaranteed: `Record.from_json` inverts `to_json` and `PartName.parse` inverts `key`; what is read is checked field
by field, because an output folder may have been edited by anyone. The counts stand in the object's name, so that a
listing alone says what is done. Not known here: where objects lie and whether the audio they name exists.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from operator import attrgetter, itemgetter
from types import NoneType
from typing import Any, Literal, cast

from ...errors import JobError
from .keys import MANIFEST_PREFIX
from .utterance import Failure, JsonScalar, Utterance
from .verdicts import NO_VERDICTS, VerdictCounts

REJECTED = "rejected"
MAX_NUMBER = 1 << 63
VERDICTS = ("passed", "rejected", "unheard")
SIDECAR = ("id", "text", "voice", "seed", "speed", "metadata", "sample_rate", "num_samples", "duration_s")
"""Fields of a record that stand beside its clip too, where a container has a place for them; in this order."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the corpus as it ended: spoken or refined ("ok"), or neither ("failed", with the reason in `error`).

    Reserved for later versions, written only where they are set, and accepted where they are not:

    The fields from `audio` to `num_segments` are None in a failed and in a refined row, `refined` in every other.

    Attributes:
        audio, member: Key of the object that holds the clip, and its place inside: a tar member's name, a parquet row's
            index, None when the object is the clip
        audio_bytes: Size of the encoded clip; `audio_sha256` is of those bytes
        pcm_sha256: Of the 16-bit samples, see `audio.pcm_sha256`
        num_segments: Pieces that the text was spoken in
        unspoken: Words and characters of the text that mean something and are not spoken, each once, spaces between
        refined: The text as it is spoken, in a job that refines text; `text` stays the corpus's
        normalized_text: The text as a model was given it that takes words: numbers, symbols and abbreviations written
            out, without what is unspoken
        attempt: Of a judged row, the attempt that is stored, or the last one of a failed row: 0 for the first
        verdict: What the judges say of it: "passed", "rejected" (stored because the job keeps such clips, or failed)
            or "unheard" (no judge rejects it, some could not tell)
        scores: By what a clip was measured with, as in "signal.gap_s"
        heard: What a recogniser understood
        unheard_by: The judges that could not tell
        rejected: The rejected attempts, each with `attempt`, `judge`, `reasons`, `duration_s` and perhaps `heard`
        language: Of the text, where the row names it
        alignment: Pieces of the text in order, each with the seconds of audio where it begins and ends
        asked_seed: The seed that the corpus gives the row, where an update was told to speak it with another one
        kept: Where an update has kept the clip: the `run` that made it, the `row` that it had then, and, if it has
            changed, the `metadata` that it had then. Names and sidecars of clips are never rewritten: they say this
        reference: The recording that the row names as its voice: `clip` and `text` as in the corpus, and `digest` of
            what was heard, see `Reference.digest`; a row whose recording could not be used has none

    Raises:
        JobError: If the fields contradict each other
    """

    row: int
    id: str
    status: Literal["ok", "failed"]
    error: str | None
    text: str
    voice: str
    seed: int | None
    speed: float | None
    model: str
    model_revision: str
    audio: str | None = None
    member: str | int | None = None
    audio_format: str | None = None
    audio_bytes: int | None = None
    audio_sha256: str | None = None
    sample_rate: int | None = None
    num_samples: int | None = None
    duration_s: float | None = None
    pcm_sha256: str | None = None
    num_segments: int | None = None
    unspoken: str = ""
    refined: str | None = None
    metadata: Mapping[str, JsonScalar] = field(default_factory=dict)
    normalized_text: str | None = None
    attempt: int | None = None
    verdict: str | None = None
    scores: Mapping[str, float] | None = None
    heard: str | None = None
    unheard_by: Sequence[str] | None = None
    rejected: Sequence[Mapping[str, Any]] | None = None
    alignment: Sequence[tuple[str, float, float]] | None = None
    language: str | None = None
    asked_seed: int | None = None
    kept: Mapping[str, Any] | None = None
    reference: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.row < 0:
            raise JobError(f"row is {self.row}; rows count from 0")
        if self.status == "ok":
            self._check_ok()
        elif self.status != "failed":
            raise JobError(f"row {self.row}: status is {self.status!r:.40}; it has to be 'ok' or 'failed'")
        elif self.error is None or self.refined is not None or self._has_audio:
            raise JobError(f"row {self.row} is failed: it needs an error, and no audio field or refined but None")

    @property
    def _has_audio(self) -> bool:
        return self.member is not None or any(getattr(self, name) is not None for name in _AUDIO)

    def _check_ok(self) -> None:
        if self.refined is not None:
            if self.error is not None or self._has_audio or not self.refined.strip():
                raise JobError(f"row {self.row} is refined: it needs a text, no error, and no audio field but None")
            return
        missing = [name for name in _AUDIO if getattr(self, name) is None]
        if self.error is not None or missing:
            raise JobError(
                f"row {self.row} is ok: it needs no error, and every audio field (without: {missing}) or refined"
            )
        for name in ("audio_bytes", "sample_rate", "num_samples", "num_segments"):
            if getattr(self, name) <= 0:
                raise JobError(f"row {self.row}: {name} is {getattr(self, name)}; it has to be above 0")

    @classmethod
    def of_failure(cls, failure: Failure, model: str, model_revision: str) -> Record:
        """The record of a row that was not spoken; its voice, seed and speed are not known."""
        return cls(
            row=failure.row,
            id=failure.id,
            status="failed",
            error=failure.reason,
            text=failure.text,
            voice="",
            seed=None,
            speed=None,
            model=model,
            model_revision=model_revision,
            metadata=failure.metadata,
        )

    @classmethod
    def of_utterance(
        cls,
        utterance: Utterance,
        *,
        model: str,
        model_revision: str,
        default_voice: str,
        error: str | None = None,
        reference_digest: str = "",
        **made: Any,
    ) -> Record:
        """The record of a row that was spoken or refined, or failed with this error; `made` is what came of it."""
        reference = None
        if utterance.reference is not None:
            reference = {"clip": utterance.reference.clip, "text": utterance.reference.text}
            reference |= {"digest": reference_digest} if reference_digest else {}
        return cls(
            row=utterance.row,
            id=utterance.id,
            status="ok" if error is None else "failed",
            error=error,
            text=utterance.text,
            voice=utterance.voice or default_voice,
            seed=utterance.seed,
            speed=utterance.speed,
            language=utterance.language or None,
            reference=reference,
            model=model,
            model_revision=model_revision,
            metadata=dict(utterance.metadata),
            **made,
        )

    @property
    def sidecar(self) -> dict[str, object]:
        """What a reader of the audio alone is told of the row."""
        told = {name: getattr(self, name) for name in SIDECAR}
        if self.kept is not None and "metadata" in self.kept:
            told["metadata"] = self.kept["metadata"]
        return told

    @property
    def row_beside_clip(self) -> int:
        """The row's number as the clip's name and sidecar say it."""
        return self.row if self.kept is None else self.kept["row"]

    @property
    def audio_ms(self) -> int:
        """Length of the clip in whole milliseconds, 0 for a row without one."""
        return round(1000 * self.num_samples / self.sample_rate) if self.num_samples and self.sample_rate else 0

    def to_json(self) -> str:
        """One line of JSON without its newline, keys in the order of the fields.

        Raises:
            JobError: The metadata holds something else than text, numbers, booleans and None
        """
        fields = dict(zip(_TYPES, _VALUES(self), strict=True))
        fields |= {
            name: value for name, value in zip(_RESERVED, _RESERVED_VALUES(self), strict=True) if value is not None
        }
        try:
            return dumps(fields)
        except (TypeError, ValueError) as error:
            raise JobError(f"row {self.row}: metadata {dict(self.metadata)!r:.200} is no JSON: {error}") from error

    @classmethod
    def from_json(cls, line: str | bytes) -> Record:
        """Read one line.

        Raises:
            JobError: For anything that `to_json` does not write
        """
        try:
            raw = json.loads(line, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise JobError(f"not one line of JSON: {error}") from error
        if not isinstance(raw, dict) or set(raw) - set(_RESERVED) != set(_TYPES):
            found = set(raw) - set(_RESERVED) if isinstance(raw, dict) else {type(raw).__name__}
            raise JobError(f"missing or unknown fields: {', '.join(sorted(found ^ set(_TYPES))):.200}")
        values = {name: _checked(name, value) for name, value in cast("dict[str, object]", raw).items()}
        return cls(**values)  # pyright: ignore[reportArgumentType]


# bool is an int to Python, not here: types are compared exactly.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "row": (int,),
    "id": (str,),
    "status": (str,),
    "error": (str, NoneType),
    "text": (str,),
    "voice": (str,),
    "seed": (int, NoneType),
    "speed": (float, int, NoneType),
    "model": (str,),
    "model_revision": (str,),
    "audio": (str, NoneType),
    "member": (str, int, NoneType),
    "audio_format": (str, NoneType),
    "audio_bytes": (int, NoneType),
    "audio_sha256": (str, NoneType),
    "sample_rate": (int, NoneType),
    "num_samples": (int, NoneType),
    "duration_s": (float, int, NoneType),
    "pcm_sha256": (str, NoneType),
    "num_segments": (int, NoneType),
    "unspoken": (str,),
    "refined": (str, NoneType),
    "metadata": (dict,),
}
_RESERVED: Mapping[str, tuple[type, ...]] = {
    "normalized_text": (str,),
    "attempt": (int,),
    "verdict": (str,),
    "scores": (dict,),
    "heard": (str,),
    "unheard_by": (list,),
    "rejected": (list,),
    "alignment": (list,),
    "language": (str,),
    "asked_seed": (int,),
    "kept": (dict,),
    "reference": (dict,),
}
_VALUES, _RESERVED_VALUES = attrgetter(*_TYPES), attrgetter(*_RESERVED)
_AUDIO = (
    *("audio", "audio_format", "audio_bytes", "audio_sha256", "sample_rate"),
    *("num_samples", "duration_s", "pcm_sha256", "num_segments"),
)


@dataclass(frozen=True, slots=True)
class PartName:
    """The name of a part's manifest, which is also its receipt.

    Attributes:
        index: Position of the shard in its window, None for the rows that were rejected while planning
        audio_ms: Sum of `Record.audio_ms`
        digest: Of the rows as the corpus has them, lowercase hex
        stamp: The run that wrote it and the number of its commit: "r5f3a-7.n42"; "" in format 2
        content: Hash of the manifest's bytes (`content_digest`); "" in format 2
        num_unspoken: Rows that are ok and leave out some of their text; told in the name where there are any
        verdicts: Rows that did not simply pass their judges; told in the name where there are any
    """

    window: int
    index: int | None
    num_ok: int
    num_failed: int
    audio_ms: int
    digest: str
    stamp: str = ""
    content: str = ""
    num_unspoken: int = 0
    verdicts: VerdictCounts = NO_VERDICTS

    @classmethod
    def of(cls, window: int, index: int | None, digest: str, records: Iterable[Record]) -> PartName:
        """The name of a manifest that holds these records."""
        num_ok = num_failed = audio_ms = num_unspoken = 0
        records = list(records)
        for record in records:
            num_unspoken += record.status == "ok" and bool(record.unspoken)
            num_ok += record.status == "ok"
            num_failed += record.status == "failed"
            audio_ms += record.audio_ms
        verdicts = VerdictCounts.of(records)
        return cls(window, index, num_ok, num_failed, audio_ms, digest, num_unspoken=num_unspoken, verdicts=verdicts)

    @property
    def shard_id(self) -> str:
        """The shard that the part holds: "000012-0003", or "000012-rejected"."""
        return f"{self.window:06d}-{self._shard}"

    @property
    def key(self) -> str:
        """The manifest's key in the output."""
        counts = f"ok{self.num_ok}.failed{self.num_failed}.ms{self.audio_ms}"
        if self.num_unspoken:
            counts += f".un{self.num_unspoken}"
        if judged := self.verdicts:
            counts += f".q{judged.num_rejected}-{judged.num_again}-{judged.num_unheard}"
        stamp, content = f".{self.stamp}" if self.stamp else "", f".{self.content}" if self.content else ""
        return f"{MANIFEST_PREFIX}{self.window:06d}/{self._shard}{stamp}.{counts}.{self.digest}{content}.jsonl"

    @property
    def _shard(self) -> str:
        return REJECTED if self.index is None else f"{self.index:04d}"

    @classmethod
    def parse(cls, key: str) -> PartName:
        """Read a manifest's key.

        Raises:
            JobError: For any other key
        """
        match = _KEY.fullmatch(key)
        if match:
            window, shard, stamp, num_ok, num_failed, audio_ms, num_unspoken, *judged, digest, content = match.groups(
                ""
            )
            index = None if shard == REJECTED else int(shard)
            counts = int(num_ok), int(num_failed), int(audio_ms)
            verdicts = VerdictCounts(*(int(count or 0) for count in judged))
            name = cls(int(window), index, *counts, digest, stamp, content, int(num_unspoken or 0), verdicts)
            # Numbers have one spelling: "07" where "7" is meant would be a second name of the same part.
            if name.key == key and bool(stamp) == bool(content):
                return name
        raise JobError(f"{key!r:.200} is no manifest; one is called like {_EXAMPLE.key}")


_EXAMPLE = PartName(12, 3, 98, 2, 412345, "9f2c1a", "r5f3a-7.n42", "30081746a2ed98e1")
_KEY = re.compile(
    re.escape(MANIFEST_PREFIX) + r"([0-9]{6,18})/([0-9]{4,18}|rejected)"
    r"(?:\.(r[0-9a-f]{4,16}-[1-9][0-9]{0,17}\.n(?:0|[1-9][0-9]{0,17})))?"
    r"\.ok([0-9]{1,18})\.failed([0-9]{1,18})\.ms([0-9]{1,18})(?:\.un([0-9]{1,18}))?"
    r"(?:\.q([0-9]{1,18})-([0-9]{1,18})-([0-9]{1,18}))?\.([0-9a-f]{1,64})(?:\.([0-9a-f]{16}))?\.jsonl"
)


def content_digest(data: bytes) -> str:
    """Of a manifest's bytes, for its name: 16 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def encode_records(records: Iterable[Record]) -> bytes:
    """A manifest's content: one line a record, in the order of their rows."""
    lines = [record.to_json() + "\n" for record in sorted(records, key=lambda record: record.row)]
    return "".join(lines).encode("utf-8")


def decode_records(data: bytes, source: str) -> Iterator[Record]:
    """Read a manifest's content.

    Raises:
        JobError: A line is wrong; the message names `source` and the first such line
    """
    lines = data.split(b"\n")
    if lines.pop():
        raise JobError(f"{source}: the last line has no end; the object is cut off")
    last = -1
    for number, line in enumerate(lines, start=1):
        try:
            record = Record.from_json(line)
        except JobError as error:
            raise JobError(f"{source}, line {number}: {error}") from error
        if record.row <= last:
            raise JobError(f"{source}, line {number}: row {record.row} comes after row {last}; rows have to ascend")
        last = record.row
        yield record


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(value: Mapping[str, object]) -> str:
    """One line of JSON that UTF-8 can hold. Numbers that JSON lacks (nan, inf) become null.

    Raises:
        TypeError: For a value that is no JSON
        ValueError: For a value that is no JSON
    """
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError):
        text = _ENCODER.encode(_finite(value))  # a rare value costs a walk, a common one none
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # a lone surrogate becomes its JSON escape


def dumps_all(values: Sequence[Mapping[str, object]]) -> str:
    """The lines of `dumps` of some values, one behind the other with nothing between.

    Raises:
        TypeError: For a value that is no JSON
        ValueError: For a value that is no JSON
    """
    names = tuple(values[0]) if values else ()
    if not names or any(map(names.__ne__, map(tuple, values))) or not all(type(name) is str for name in names):
        return "".join(map(dumps, values))
    columns = [list(map(itemgetter(name), values)) for name in names]
    if any(set(map(type, column)) != {str} for column in columns):
        return "".join(map(dumps, values))
    # Text under the same keys, as most metadata is: the keys are encoded once.
    starts = [("{" if at == 0 else ",") + encode_basestring(name) + ":" for at, name in enumerate(names)]
    pieces = [
        [start + encode_basestring(text) for text in column] for start, column in zip(starts, columns, strict=True)
    ]
    text = "}".join(["".join(line) for line in zip(*pieces, strict=True)]) + "}"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in cast("Mapping[object, object]", value).items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _checked(name: str, value: object) -> object:
    types = _TYPES.get(name) or _RESERVED[name]
    if type(value) not in types:
        allowed = " or ".join(kind.__name__ for kind in types)
        raise JobError(f"{name} is {value!r:.80}; it has to be {allowed}")
    if isinstance(value, int | float) and not abs(value) < MAX_NUMBER:
        raise JobError(f"{name} is {value!r:.80}; it has to be finite and below 2**63")
    if float in types and value is not None:
        return float(cast("int | float", value))
    if name == "scores":
        return {key: _finite_number(name, item) for key, item in cast("dict[str, object]", value).items()}
    if name == "verdict" and value not in VERDICTS:
        raise JobError(f"verdict is {value!r:.80}; it has to be {', '.join(VERDICTS)}")
    if name == "unheard_by" and not all(isinstance(judge, str) for judge in cast("list[object]", value)):
        raise JobError(f"unheard_by holds {value!r:.80}, where names of judges are expected")
    if name in ("rejected", "alignment"):
        check = _rejected if name == "rejected" else _aligned
        return [check(item) for item in cast("list[object]", value)]
    if name in ("reference", "kept"):
        check = _checked_reference if name == "reference" else _checked_kept
        return check(cast("dict[str, object]", value))
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            if not isinstance(item, str | int | float | None):
                raise JobError(f"metadata {key!r:.80} is a {type(item).__name__}; it has to be a single value")
    return cast("object", value)


def _checked_kept(value: dict[str, object]) -> dict[str, object]:
    run, row = value.get("run"), value.get("row")
    is_known = value.keys() in ({"run", "row"}, {"run", "row", "metadata"})
    if not is_known or type(run) is not int or type(row) is not int or not (0 < run < 10**18 and 0 <= row < MAX_NUMBER):
        raise JobError(f"kept is {value!r:.80}; it has to be an object with run, row, and where it differs metadata")
    if "metadata" in value:
        _checked("metadata", value["metadata"])
    return value


def _checked_reference(value: dict[str, object]) -> dict[str, object]:
    is_known = value.keys() in ({"clip", "text"}, {"clip", "text", "digest"})
    if not is_known or not all(isinstance(item, str) for item in value.values()):
        raise JobError(f"reference is {value!r:.80}; it has to be an object with clip, text, perhaps digest")
    return value


def _finite_number(name: str, value: object) -> float:
    if type(value) not in (int, float) or not abs(cast("float", value)) < MAX_NUMBER:
        raise JobError(f"{name} holds {value!r:.80}, where a finite number below 2**63 is expected")
    return float(cast("float", value))


def _aligned(piece: object) -> tuple[str, float, float]:
    match piece:
        case [str(text), first, last]:
            return text, _finite_number("alignment", first), _finite_number("alignment", last)
        case _:
            raise JobError(f"alignment holds {piece!r:.80}; a piece of it is a text and the seconds of its two ends")


def _rejected(trial: object) -> dict[str, Any]:
    match trial:
        case {"attempt": int(), "judge": str(), "reasons": [*reasons], "duration_s": float() | int() as seconds} if all(
            isinstance(reason, str) for reason in reasons
        ):
            _finite_number("rejected", seconds)
            return cast("dict[str, Any]", trial)
        case _:
            raise JobError(f"rejected holds {trial!r:.120}; an attempt in it has attempt, judge, reasons, duration_s")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key that comes twice")
    return result


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
