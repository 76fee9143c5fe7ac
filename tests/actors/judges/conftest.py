"""Clips for the tests of judges, spoken once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.heard import speak
from support.made_once import made_once
from support.made_sentences import sentences

from speechmill.actors.judges.base import Hearing


@pytest.fixture(scope="package")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Hearing]:
    """Some sentences of the embedded voice, two minutes and more."""
    return made_once(tmp_path_factory, "spoken", lambda: speak(sentences(30, seed=5)))
