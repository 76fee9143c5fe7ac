"""What would be said of texts, without saying it: the spoken form, the segments, what is left out, how long it takes.

Guaranteed: the same front end, the same splitting and the same model's tokens as in a run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ...actors.models.base import Model, ModelInfo
from ...actors.models.registry import load
from ...actors.records.utterance import Failure, Utterance
from ...actors.text.front_end import FrontEnd
from ...actors.text.segments import spoken_segments
from ...cluster.sharding.cost_cache import recall
from ...cluster.sharding.sharding import CostModel
from ...errors import JobError, RowError, RunStopped
from ..resolve.corpus import open_corpus
from ..resolve.model import describe_model
from ..resolve.text import text_rules
from ..spec.job import JobSpec


@dataclass(frozen=True, slots=True)
class SegmentPreview:
    """A piece that the model speaks at once, and silence before it in seconds.

    Attributes:
        num_tokens: What the model reads of it.
        tokens: Their ids.
    """

    text: str
    num_tokens: int
    tokens: tuple[int, ...]
    pause_s: float


@dataclass(frozen=True, slots=True)
class TextPreview:
    """A row as it would be spoken.

    Attributes:
        spoken: The text after the front end, as `normalized_text` in a manifest.
        unspoken: Words and characters that carry meaning and are left out.
        audio_s: Estimated seconds of audio.
        error: Why the row would fail; "" for one that would not.
    """

    row: int
    id: str
    text: str
    spoken: str = ""
    segments: tuple[SegmentPreview, ...] = ()
    unspoken: tuple[str, ...] = ()
    audio_s: float = 0.0
    error: str = ""


def preview(spec: JobSpec, rows: int) -> Iterator[TextPreview]:
    """The first rows of a job's corpus.

    Raises:
        SpecError: The job is wrong; the message names the key
        ModelError: The model, its weights or its options are wrong; the message names the key or file
        CorpusError: The corpus cannot be read; the message names the file and place
    """
    reader = _Previewer.of(spec)
    corpus = open_corpus(spec, reader.info)
    return reader.previews(itertools.islice(corpus.rows(), rows))


def preview_text(spec: JobSpec, text: str) -> TextPreview:
    """One text, with the model and the rules of a job.

    Raises:
        SpecError: The job is wrong; the message names the key
        ModelError: The model, its weights or its options are wrong; the message names the key or file
    """
    return next(iter(_Previewer.of(spec).previews([Utterance(0, "", text, spec.seed, spec.model.voice)])))


@dataclass(frozen=True, slots=True)
class _Previewer:
    """A loaded model with the rules of a job."""

    info: ModelInfo
    model: Model
    front_end: FrontEnd
    cost: CostModel
    pause_s: float

    @classmethod
    def of(cls, spec: JobSpec) -> _Previewer:
        device = "cpu" if spec.model.device == "auto" else spec.model.device
        config, info = describe_model(spec, device)
        front_end = FrontEnd(info, text_rules(spec))
        model = load(replace(config, backend=info.backend))
        return cls(info, model, front_end, recall(config, info) or CostModel.of(info), spec.text.pause_s)

    def previews(self, rows: Iterable[Utterance | Failure]) -> Iterator[TextPreview]:
        """Each row as it would be spoken, or with the reason why it would not."""
        for row in rows:
            if isinstance(row, Failure):
                yield TextPreview(row.row, row.id, row.text, error=row.reason)
            else:
                yield self._preview(row)

    def _preview(self, utterance: Utterance) -> TextPreview:
        try:
            planned = spoken_segments(utterance, self.model, self.front_end, self.pause_s)
        except (JobError, RunStopped):
            raise
        except RowError as error:
            return TextPreview(utterance.row, utterance.id, utterance.text, error=str(error) or type(error).__name__)
        pieces = zip(planned.segments, planned.pauses_s, strict=True)
        segments = tuple(SegmentPreview(s.text, len(s.tokens), s.tokens, pause_s) for s, pause_s in pieces)
        said = replace(utterance, text=planned.spoken.text)
        return TextPreview(
            utterance.row,
            utterance.id,
            utterance.text,
            planned.spoken.text,
            segments,
            planned.spoken.unspoken,
            self.cost.audio_s(said) + sum(planned.pauses_s),
        )
