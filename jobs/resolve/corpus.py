"""The corpus that a job names, opened with the voices and speeds of the job's model."""

from __future__ import annotations

from collections.abc import Sequence

from ...actors.models.base import ModelInfo
from ...errors import SpecError
from ..corpus import Column, Corpus, InputOptions
from ..spec.job import JobSpec


def open_corpus(spec: JobSpec, info: ModelInfo) -> Corpus:
    """The corpus that the job names, its columns checked.

    Raises:
        CorpusError: The corpus cannot be read; the message names the file and place
        SpecError: The job names columns of recordings, and its model speaks with none
    """
    source = spec.input

    def column(name: str) -> Column | None:
        value = getattr(source, name)
        # A column that the job names is required; a default column is used if it exists.
        return None if value is None else Column(value, required=name in source.model_fields_set)

    # Where there is no choice, a column of that name is one of the user's own.
    is_asked = "language" in source.model_fields_set
    languages = base_languages(info.languages) if len(info.languages) > 1 or is_asked else ()
    # Text is refined without a voice: the columns stay the row's own, for the job that speaks it.
    is_cloning = "reference" in info.voice_forms and spec.task == "speak"
    for name in ("reference", "reference_text"):
        if not is_cloning and spec.task == "speak" and name in source.model_fields_set and column(name) is not None:
            raise SpecError(f"input.{name}: {info.name} speaks with no voices of recordings; leave it out")
    corpus = Corpus(
        InputOptions(
            uri=source.uri if isinstance(source.uri, str) else tuple(source.uri),
            id=column("id"),
            text=source.text,
            seed=column("seed"),
            voice=column("voice"),
            speed=column("speed"),
            language=column("language") if languages else None,
            languages=languages,
            reference=column("reference") if is_cloning else None,
            reference_text=column("reference_text") if is_cloning else None,
            reference_s=info.reference_s,
            format=source.format,
            delimiter=source.delimiter,
            header=source.header,
            columns=tuple(source.columns or ()),
            max_chars=source.max_chars,
            default_voice=info.default_voice,
            default_speed=spec.model.speed,
            speeds=info.speeds,
            voices=info.voices,
            voice_forms=info.voice_forms,
            job_seed=spec.seed,
            s3=source.s3.options(),
        )
    )
    corpus.check()
    return corpus


def base_languages(languages: Sequence[str]) -> tuple[str, ...]:
    """Languages without their regions: "en" of "en-GB"."""
    return tuple(dict.fromkeys(language.partition("-")[0].lower() for language in languages))
