"""Clips for the tests of judges, spoken once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.heard import speak
from support.made_once import made_once
from support.made_sentences import sentences

from speechmill.actors.judges.base import Hearing

NUM_FEW = 12


@pytest.fixture(scope="package")
def few_spoken(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Hearing]:
    """The first of `spoken`: they take less than a second to make."""
    return made_once(tmp_path_factory, "few_spoken", lambda: speak(sentences(30, seed=5)[:NUM_FEW]))


@pytest.fixture(scope="package")
def spoken(tmp_path_factory: pytest.TempPathFactory, few_spoken: Sequence[Hearing]) -> Sequence[Hearing]:
    """Some sentences of the embedded voice, two minutes and more."""
    rest = made_once(tmp_path_factory, "spoken", lambda: speak(sentences(30, seed=5)[NUM_FEW:], first=NUM_FEW))
    return [*few_spoken, *rest]
