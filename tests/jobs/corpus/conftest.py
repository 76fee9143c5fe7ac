"""A corpus from a few bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speechmill.actors.records.utterance import Failure, Utterance
from speechmill.jobs.corpus import Corpus, InputOptions

Rows = list[Utterance | Failure]
Read = Callable[..., Rows]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """`read("a.csv", b"…", **options)`: the rows of one file."""

    def read_one(name: str, content: bytes | str, **options: Any) -> Rows:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(Corpus(InputOptions(uri=str(path), **options)).rows())

    return read_one
