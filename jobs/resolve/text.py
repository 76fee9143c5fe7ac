"""The rules for texts that a job sets, with its lexicon read."""

from __future__ import annotations

from ...actors.text.front_end import TextRules
from ...actors.text.lexicon import read_lexicon
from ..spec.job import JobSpec


def text_rules(spec: JobSpec) -> TextRules:
    """The rules by which the job's texts are read.

    Raises:
        SpecError: The lexicon cannot be read
    """
    text = spec.text
    return TextRules(
        markup=text.markup,
        paragraph_pause_s=text.paragraph_pause_s,
        fails=text.unspoken == "fail",
        lexicon=read_lexicon(text.lexicon) if text.lexicon else {},
    )
