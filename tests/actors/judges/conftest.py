"""Clips for the tests of judges, spoken once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.heard import speak
from support.made_sentences import sentences

from speechmill.actors.judges.base import Hearing


@pytest.fixture(scope="package")
def spoken() -> Sequence[Hearing]:
    """Forty sentences of the embedded voice, some three minutes."""
    return speak(sentences(40, seed=5))
