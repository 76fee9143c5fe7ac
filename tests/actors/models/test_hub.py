"""A hub that is away is said after one try."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from huggingface_hub import constants

from speechmill.actors.models import hub
from speechmill.actors.models.chattts.checkpoint import weights
from speechmill.errors import ModelError


@pytest.fixture
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "getproxies", dict)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # a port on which nothing listens
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")


def test_weights_that_cannot_be_fetched_say_where_to_put_them(nobody_there: None, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be reached .* name it in model\.path"):
        weights.fetch(tmp_path)


def test_a_file_in_the_cache_needs_no_hub(nobody_there: None, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "file").write_text("here", encoding="utf-8")
    hub.refuse_unreachable("a/b", "file", "c" * 40, tmp_path)
    with pytest.raises(ConnectionError, match="cannot be reached"):
        hub.refuse_unreachable("a/b", "other", "c" * 40, tmp_path)
