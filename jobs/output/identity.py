"""The identity of a job: every setting that decides which audio a row becomes and where the audio is stored.

`job.json` in the output holds the identity beside the whole resolved job. Batch sizes, replicas and addresses are not
part of it, so that a run may continue on another cluster. A job holds no secret, so none is ever written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from ...actors.models.base import CostUnit, ModelInfo
from ...actors.text.lexicon import lexicon_digest
from ...actors.text.splitting import RULES as TEXT_RULES
from ...cluster.sharding.sharding import RULES as SHARDING_RULES
from ...cluster.sharding.sharding import CostModel
from ...errors import JobChanged, SpecError
from ..corpus.printable import printable
from ..spec.job import JobSpec
from .stored import Amount, Stored, checked

CORPUS_KEY = "input (the corpus itself)"
"""The key of the identity that an update may change."""
FORMAT = 3
"""The format of the output's layout; each layout has its own number."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The settings that two runs of one job must share, flat, with plain values."""

    keys: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with any key."""
        return hashlib.sha256(json.dumps(self.keys, sort_keys=True).encode()).hexdigest()

    def differences(self, other: Identity) -> list[str]:
        """The keys that differ, each with both values."""
        names = sorted(self.keys.keys() | other.keys.keys())
        return [
            printable(f"{name}: {_shown(self.keys.get(name))} there, {_shown(other.keys.get(name))} now")
            for name in names
            if self.keys.get(name) != other.keys.get(name)
        ]


def identity_of(
    spec: JobSpec, info: ModelInfo, device: str, corpus_fingerprint: str, quality: Mapping[str, Any] | None = None
) -> Identity:
    """The identity of a job with its model and device resolved.

    Args:
        quality: What of the job's judges decides which clips are stored; none for a job without judges

    Raises:
        SpecError: JSON cannot hold an option
    """
    columns = spec.input.model_dump(include={"id", "text", "seed", "voice", "speed", "max_chars"})
    layout = spec.input.model_dump(include={"delimiter", "header", "columns", "language"})
    references = spec.input.model_dump(include={"reference", "reference_text"})
    options = {
        f"model.options.{name}": value for name, value in spec.model.options.items() if name not in info.neutral_options
    }
    try:
        # Through JSON and back: a change that JSON makes (in the keys of a map) must not look like another job.
        options = json.loads(json.dumps(options, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"model.options: {error}; use text, numbers, true, false, lists and maps") from error
    return Identity(
        {
            "format": FORMAT,
            "task": spec.task,
            "seed": spec.seed,
            CORPUS_KEY: corpus_fingerprint,
            **{f"input.{name}": value for name, value in columns.items()},
            # Left out if the job does not set them: outputs begun before these keys existed can be continued.
            **{f"input.{name}": value for name, value in layout.items() if value not in (None, True, "language")},
            **{f"input.{name}": value for name, value in references.items() if value != name},
            "model.name": spec.model.name,
            "model.revision": info.revision,
            "model.backend": info.backend,
            "model.device": device,
            "model.path": spec.model.path,
            "model.voice": info.default_voice,
            "model.speed": spec.model.speed,
            **options,
            "text rules": TEXT_RULES,
            # Left out where the job says nothing of them.
            **({"text.markup": spec.text.markup} if spec.text.markup != "none" else {}),
            **({"text.unspoken": spec.text.unspoken} if spec.text.unspoken != "report" else {}),
            **({"lexicon (its entries)": lexicon_digest(spec.text.lexicon)} if spec.text.lexicon else {}),
            **({"text.paragraph_pause_s": pause_s} if (pause_s := spec.text.paragraph_pause_s) != 0.6 else {}),
            "output.container": spec.output.container,
            **({"text.pause_s": spec.text.pause_s, "output.audio": spec.output.audio} if spec.task == "speak" else {}),
            **_finishing(spec),
            # Left out if there are none: outputs begun before this key existed can be continued.
            **({"output.key_prefixes": prefixes} if (prefixes := spec.output.key_prefixes) else {}),
            **(quality or {}),
            "sharding rules": SHARDING_RULES,
            **{f"sharding.{name}": value for name, value in spec.sharding.model_dump().items()},
        }
    )


def _finishing(spec: JobSpec) -> dict[str, Any]:
    """What is asked of the sound; nothing where it stays as the model made it."""
    keys = spec.output.model_dump(include={"sample_rate", "loudness_lufs", "trim_silence"}, exclude_none=True)
    return {f"output.{name}": value for name, value in keys.items()} if spec.task == "speak" else {}


class _StoredCost(Stored):
    base_s: Amount
    char_s: Amount
    audio_char_s: Amount
    unit: CostUnit = "characters"

    @model_validator(mode="after")
    def _is_an_estimate(self) -> Self:
        if not self.base_s + self.char_s:
            raise ValueError("rows that cost nothing are no estimate")
        return self


class _StoredJob(Stored):
    model_config = ConfigDict(extra="ignore")

    speechmill: str
    spec: dict[str, Any]
    identity: dict[str, Any]
    device: str
    cost: _StoredCost
    earlier: dict[Annotated[str, Field(pattern="^[1-9][0-9]{0,17}$")], dict[str, Any]] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobFile:
    """The job in `job.json`, as it was first run here.

    Attributes:
        version: The version of speechmill that began the output
        spec: The whole resolved job
        device: The device that the model was resolved for
        cost: The estimates that cut the shards; a continued run cuts with the same
        earlier: By number, the bodies that `job.json` had in the complete generations that are kept
        provenance: What made the audio: model, revision, the licence of its weights; empty in outputs begun earlier
    """

    version: str
    spec: Mapping[str, Any]
    identity: Identity
    device: str
    cost: CostModel
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    earlier: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def body(self) -> dict[str, Any]:
        """The content of `job.json` beside its root."""
        return {
            "speechmill": self.version,
            "fingerprint": self.identity.fingerprint,
            "spec": self.spec,
            "identity": dict(self.identity.keys),
            "device": self.device,
            "cost": self.cost.stored,
            **({"earlier": dict(self.earlier)} if self.earlier else {}),
            **({"provenance": dict(self.provenance)} if self.provenance else {}),
        }

    @classmethod
    def of(cls, body: object, source: str) -> JobFile:
        """The job in the body of a `job.json` that is stored at `source`.

        Raises:
            JobError: The body is no job
        """
        stored = checked(
            _StoredJob, body, f"{source} is not a speechmill job", "restore it, or choose another output.uri"
        )
        told = stored.cost
        cost = CostModel(float(told.base_s), float(told.char_s), float(told.audio_char_s), told.unit)
        return cls(
            stored.speechmill,
            stored.spec,
            Identity(stored.identity),
            stored.device,
            cost,
            stored.provenance,
            stored.earlier,
        )

    def refuse_if_changed(self, now: Identity, output: str, *, is_update: bool = False) -> None:
        """Raise JobChanged if this job is not the one that runs now; the message names every key that differs.

        Args:
            is_update: The corpus may have changed, and nothing else
        """
        if (found := self.identity.keys.get("format")) != FORMAT:
            raise JobChanged(
                f"{output} was begun by another version of speechmill (format {found} there, {FORMAT} now): it can be "
                "read and verified. Finish it with that version, use another output.uri, or --overwrite to start anew."
            )
        keys = dict(self.identity.keys)
        is_of_corpus = keys.get(CORPUS_KEY) != now.keys.get(CORPUS_KEY)
        if is_update:
            keys[CORPUS_KEY] = now.keys.get(CORPUS_KEY)
        differences = Identity(keys).differences(now)
        if not differences:
            return
        what = f"{output} holds another job; it differs in {'; '.join(differences)}. "
        if is_update:
            what += "--update speaks rows of the corpus that have changed, under the same settings. "
        elif is_of_corpus and len(differences) == 1:
            what += "To speak the rows that have changed and keep the others: --update. Else use "
            raise JobChanged(what + "another output.uri, or --overwrite to delete what is there and start anew.")
        raise JobChanged(what + "Use another output.uri, or --overwrite to delete what is there and start anew.")


def _shown(value: object) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= 200 else f"{shown[:199]}…"
