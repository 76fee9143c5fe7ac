"""What is written down about one row: its `Record`, a line of a manifest.

Guaranteed: `Record.from_json` inverts `to_json`, and reads nothing else; fields of a record do not contradict each
other. Not known here: where the audio lies that a record names, and whether it is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal, cast

from ...errors import JobError
from .json_line import dumps, loads
from .record_fields import RESERVED_TYPES, TYPES, checked
from .utterance import Failure, JsonScalar, Utterance

SIDECAR = ("id", "text", "voice", "seed", "speed", "metadata", "sample_rate", "num_samples", "duration_s")
"""Fields of a record that stand beside its clip too, where a container has a place for them; in this order."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the corpus as it ended: spoken or refined ("ok"), or neither ("failed", with the reason in `error`).

    The fields from `audio` to `num_segments` are None in a failed and in a refined row, `refined` in every other. Those
    from `normalized_text` on are written only where they are set.

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
        fields = dict(zip(TYPES, _VALUES(self), strict=True))
        fields |= {
            name: value for name, value in zip(RESERVED_TYPES, _RESERVED_VALUES(self), strict=True) if value is not None
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
            raw = loads(line)
        except (ValueError, RecursionError) as error:
            raise JobError(f"not one line of JSON: {error}") from error
        if not isinstance(raw, dict) or set(raw) - set(RESERVED_TYPES) != set(TYPES):
            found = set(raw) - set(RESERVED_TYPES) if isinstance(raw, dict) else {type(raw).__name__}
            raise JobError(f"missing or unknown fields: {', '.join(sorted(found ^ set(TYPES))):.200}")
        values = {name: checked(name, value) for name, value in cast("dict[str, object]", raw).items()}
        return cls(**values)  # pyright: ignore[reportArgumentType]


_VALUES, _RESERVED_VALUES = attrgetter(*TYPES), attrgetter(*RESERVED_TYPES)
_AUDIO = (
    *("audio", "audio_format", "audio_bytes", "audio_sha256", "sample_rate"),
    *("num_samples", "duration_s", "pcm_sha256", "num_segments"),
)
