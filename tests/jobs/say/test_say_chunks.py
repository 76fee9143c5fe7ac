"""The chunk size of `speechmill say` and `speechmill.say`: whose default is what, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

import speechmill
from speechmill.actors.audio.encoding import decode
from speechmill.errors import SpecError
from speechmill.jobs.cli.main import app

TEXT = "When it rained, all of the village stayed in the kitchen, and no, nobody came to the door of the mill."


def spoken(text: str | list[str], **how: int | None) -> list[int]:
    """How many samples each piece has, the silences among them."""
    return list(map(len, speechmill.say(text, model="tone", **how)))  # type: ignore[arg-type]


def test_text_that_arrives_is_spoken_in_chunks_and_text_that_is_there_in_sentences() -> None:
    clauses, chunks, sentences = (spoken(TEXT, streaming_text_chunk_size=size) for size in (1, 10, None))
    assert sum(clauses) > sum(chunks) > sum(sentences)
    assert spoken(TEXT) == spoken([TEXT], streaming_text_chunk_size=None) == sentences
    assert spoken([TEXT]) == spoken(list(TEXT)) == chunks


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ([TEXT], None),
        (["-"], 10),
        (["-", "--streaming-text-chunk-size", "auto"], 10),
        (["-", "--streaming-text-chunk-size", "none"], None),
        (["-", "--streaming-text-chunk-size", "1"], 1),
        ([TEXT, "--streaming-text-chunk-size", "10"], 10),
    ],
)
def test_the_command_speaks_as_python_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], size: int | None
) -> None:
    """A text on the command line is there as a whole; what standard input brings arrives."""
    (tmp_path / "text").write_text(TEXT)
    with (tmp_path / "text").open() as arriving:
        monkeypatch.setattr("sys.stdin", arriving)
        app(["say", *arguments, "-o", str(tmp_path / "x.wav"), "--model", "tone"], standalone_mode=False)
    samples, _ = decode((tmp_path / "x.wav").read_bytes())
    assert len(samples) == sum(spoken(TEXT, streaming_text_chunk_size=size))


@pytest.mark.parametrize("size", [0, -1, 10_001, True, "10"])
def test_a_wrong_size_is_said_before_anything_is_loaded(size: int) -> None:
    with pytest.raises(SpecError, match=r"^streaming_text_chunk_size is .* from 1 to 10,000, none for whole sentences"):
        speechmill.say(["Hello."], model="chattts", path="nowhere", streaming_text_chunk_size=size)
