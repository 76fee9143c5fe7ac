"""The whole model on tiny random weights: the plain reference's codes, alone, among others, in streams and windows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechmill.actors.engine.request import Generated
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.chattts.checkpoint.layout import token_id
from speechmill.actors.models.minicpmo.checkpoint.layout import TINY
from speechmill.actors.models.minicpmo.model import Minicpmo
from speechmill.actors.models.minicpmo.text_schedule import TextWindows, Windowing
from speechmill.actors.models.noise import segment_seed
from speechmill.actors.models.voice_reference import encode_vector
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.utterance import Prepared, Segment
from speechmill.actors.replica.streaming import speak_stream
from speechmill.errors import ModelError, RowError, RowRejected
from tests.support.plain_minicpmo import PlainMinicpmo

ROOM = 10**9
IDS = {name: token_id(name, TINY.network) for name in ("[Stts]", "[Etts]", "[Ptts]")}
TEXTS = (
    "Hello.",
    "The baker opens at five, and by seven the street smells of warm bread.",
    "今天天气很好。",
    "Don't go! It's late, isn't it? Two boats left before the fog came in, and none of them has come back.",
)
CHANCE = np.random.default_rng(4)
STORED = {width: CHANCE.standard_normal(width).astype(np.float32) for width in (TINY.llm_dim, TINY.network.hidden)}
VOICES = ("", "seed:7", *(encode_vector(vector) for vector in STORED.values()))


def model(folder: Path, slots: int = 4, **options: Any) -> Minicpmo:
    options = {"max_steps": 120, "incomplete": "keep"} | options
    made = Minicpmo(ModelConfig("minicpmo", path=str(folder), options=options))
    assert made.reserve(ROOM, slots) == slots
    return made


def segment(made: Minicpmo, row: int, text: str = "", voice: str | None = None) -> Segment:
    text, voice = text or TEXTS[row % 4], VOICES[row // 4 % 4] if voice is None else voice
    return Segment(row, 0, text, made.prepare(text, voice), 11 * row, voice, 1.0)


def drawn(made: Minicpmo, segments: list[Segment]) -> dict[int, Generated]:
    """Codes as the engine draws them, over all windows."""
    requests = [replace(made._whole(what).start(), key=what.row) for what in segments]  # pyright: ignore[reportPrivateUsage]
    return {row.key: row for row in made._ready._engine("speak").run(requests)}  # pyright: ignore[reportPrivateUsage]


def plain(folder: Path) -> PlainMinicpmo:
    return PlainMinicpmo(folder, TINY.network.num_layers, TINY.network.num_heads)


def plain_speaker(reference: PlainMinicpmo, made: Minicpmo, what: Segment) -> Tensor:
    return reference.speaker(torch.from_numpy(made._voices.vector(what.voice, what.seed)))  # pyright: ignore[reportPrivateUsage]


def test_rows_alone_have_the_codes_of_the_plain_reference(minicpmo_folder: Path) -> None:
    """Short and longer than the first visible tokens, every kind of voice, ended and cut off."""
    made, reference = model(minicpmo_folder, slots=1, max_steps=60), plain(minicpmo_folder)
    ends: set[bool] = set()
    for row in (6, 11):
        what = segment(made, row)
        [engine] = drawn(made, [what]).values()
        seed = segment_seed(what.seed, 0)
        codes, is_complete = reference.codes(plain_speaker(reference, made, what), what.tokens, IDS, seed, 60)
        assert engine.codes.tolist() == codes.tolist()
        assert engine.is_complete == is_complete
        ends.add(is_complete)
    assert ends == {True, False}


def test_rows_of_all_lengths_steps_and_voices_beside_each_other_have_the_codes_that_each_has_alone(
    minicpmo_folder: Path,
) -> None:
    made = model(minicpmo_folder, slots=3, max_steps=60)
    rows = [segment(made, row) for row in (0, 3, 11, 14)]
    alone = {row.row: drawn(made, [row])[row.row] for row in rows}
    beside = drawn(made, rows[::-1])
    assert len({len(row.codes) for row in alone.values()}) > 2
    for number, row in alone.items():
        assert beside[number].codes.tolist() == row.codes.tolist(), number


def test_a_row_ends_only_in_the_steps_that_the_rule_allows(minicpmo_folder: Path) -> None:
    made = model(minicpmo_folder, slots=16, max_steps=45)
    ended = [row for row in drawn(made, [segment(made, row) for row in range(16)]).values() if row.is_complete]
    assert len(ended) > 3
    assert {len(row.codes) % 25 for row in ended} <= set(range(10, 25))


LONG = "Nine boats left before the fog came in. None of them has come back so far. "
SHORT_WINDOWS = {"close_after": 24, "steps_carried": 40}


@pytest.mark.slow
def test_a_long_text_is_spoken_in_windows_that_continue_each_other(minicpmo_folder: Path) -> None:
    """The first one's end is drawn; the next begins with 5 tokens and 40 steps of it."""
    made, reference = model(minicpmo_folder, max_steps=80, windows=SHORT_WINDOWS), plain(minicpmo_folder)
    what = segment(made, 4, LONG, "seed:7")
    text = TextWindows(Windowing(close_after=24), made._tokenizer.ends)  # pyright: ignore[reportPrivateUsage]
    text.feed(what.tokens, is_last=True)
    windows = text.windows
    assert [window.num_carried for window in windows] == [0, 5]
    [whole] = drawn(made, [what]).values()
    speaker, total = plain_speaker(reference, made, what), torch.empty(0, 4, dtype=torch.long)
    for number, window in enumerate(windows):
        carried = total[-40:] if number else None
        seed = segment_seed(what.seed, 0, f"window {number}" if number else "speak")
        most = 80 - (len(carried) if carried is not None else 0)
        codes, is_complete = reference.codes(speaker, window.tokens, IDS, seed, most, carried)
        total = torch.cat((total, codes))
        assert number or (is_complete and len(total) > 40)
    assert whole.codes.tolist() == total.tolist()


def spoken(made: Minicpmo, segments: list[Segment]) -> dict[int, NDArray[np.float32]]:
    waves: dict[int, NDArray[np.float32]] = {}
    for what, outcome in made.speak_rows(segments):
        assert not isinstance(outcome, RowError), outcome
        waves[what.row] = outcome
    return waves


@pytest.fixture(scope="module")
def long_stream(minicpmo_folder: Path) -> tuple[Minicpmo, Segment, list[NDArray[np.float32]]]:
    """A model, a text of two windows, and the pieces of its stream."""
    streaming = {"first": 4, "ahead": 20}
    made = model(minicpmo_folder, max_steps=80, streaming=streaming, windows=SHORT_WINDOWS)
    what = segment(made, 4, LONG, "seed:7")
    return made, what, list(made.stream(what, StreamHandle()))


def test_a_stream_has_the_audio_of_a_job_also_over_windows(
    long_stream: tuple[Minicpmo, Segment, list[NDArray[np.float32]]],
) -> None:
    """To rounding, if the look-ahead is as long as a step's samples reach."""
    made, what, pieces = long_stream
    assert made._networks.context_steps <= 20  # pyright: ignore[reportPrivateUsage]
    whole = spoken(made, [what])[4]
    assert len(pieces) > 3
    assert len(whole) % 512 == 0
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=2e-5)


def test_the_first_piece_leaves_as_soon_as_its_steps_and_the_look_ahead_are_drawn(minicpmo_folder: Path) -> None:
    """Only the overlap with the next piece is held back."""
    made = model(minicpmo_folder)
    pieces = made.stream(segment(made, 5), StreamHandle())
    first = next(pieces)
    assert made.usage().row_steps == 8 + 8
    assert len(first) == 8 * 512 - 512
    pieces.close()


def test_a_voice_is_the_same_before_and_behind_the_projector(minicpmo_folder: Path) -> None:
    made, reference = model(minicpmo_folder, max_steps=20), plain(minicpmo_folder)
    behind = reference.speaker(torch.from_numpy(STORED[TINY.llm_dim])).numpy()
    [first, second] = (segment(made, 0, TEXTS[1], encode_vector(vector)) for vector in (STORED[TINY.llm_dim], behind))
    assert drawn(made, [first])[0].codes.tolist() == drawn(made, [second])[0].codes.tolist()


def test_deterministic_rows_are_the_same_to_the_bit(minicpmo_folder: Path) -> None:
    made = model(minicpmo_folder, slots=3, deterministic=True, max_steps=12)
    rows = [segment(made, row) for row in range(1, 4)]
    together = spoken(made, rows)
    for row in rows:
        assert np.array_equal(spoken(made, [row])[row.row], together[row.row])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_steps": 3_700, "windows": {"steps_carried": 300}}, "has room for 3493"),
        ({"windows": {"close_after": 20, "text_carried": 30}}, "has to be above text_carried 30"),
        ({"dtype": "float16"}, "float16 is for GPUs"),
    ],
)
def test_options_that_do_not_fit_the_model_are_refused(
    minicpmo_folder: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Minicpmo.describe(ModelConfig("minicpmo", path=str(minicpmo_folder), options=options))


def test_the_revision_says_that_no_real_weights_have_confirmed_it(minicpmo_folder: Path) -> None:
    info = Minicpmo.describe(ModelConfig("minicpmo", path=str(minicpmo_folder)))
    assert info.revision.endswith("-unconfirmed")
    assert info.licence == "Apache-2.0"


class Writer:
    """A text that comes in parts, one whenever the model takes what is there."""

    def __init__(self, parts: list[str]) -> None:
        self._parts = parts

    @property
    def is_ready(self) -> bool:
        """There is always a part, or the end."""
        return True

    def take(self) -> tuple[str, bool]:
        """The next part, and whether it is the last."""
        return self._parts.pop(0), not self._parts

    def when_ready(self, call: Callable[[], None]) -> None:
        """Nothing comes from another thread."""


def test_a_text_that_arrives_has_the_audio_of_a_job(
    long_stream: tuple[Minicpmo, Segment, list[NDArray[np.float32]]],
) -> None:
    """Words and marks one by one, and in two parts."""
    made, what, pieces = long_stream
    whole = np.concatenate(pieces)
    for parts in (re.findall(r"\w+|\W", LONG), list(LONG.partition("came"))):
        arriving = made.stream_arriving(replace(what, text="", prepared=Prepared.of(())), Writer(parts), StreamHandle())
        assert np.array_equal(np.concatenate(list(arriving)), whole)


def test_marks_alone_are_no_text_in_a_job_or_in_parts_and_marks_before_a_word_are(minicpmo_folder: Path) -> None:
    made = model(minicpmo_folder, max_steps=12)
    assert not made.prepare("... ?!", "").tokens
    with pytest.raises(RowRejected, match="nothing in the text can be spoken"):
        list(speak_stream(made, ["..." * 9, "?!" * 9]))
    assert made.usage().row_steps == 0, "no step is drawn for them"
    whole = list(made.stream(segment(made, 0, '"... No', ""), StreamHandle()))
    assert np.array_equal(np.concatenate(list(speak_stream(made, ['"..', ". ", "N", "o"]))), np.concatenate(whole))


def test_a_slot_holds_no_hidden_states_for_a_decoder_of_codes(minicpmo_folder: Path) -> None:
    made = model(minicpmo_folder, max_steps=12)
    assert made._ready.slot_bytes({"speak": 10}) == 10 * (made.network("speak").position_bytes + 4 * 8)
    [row] = drawn(made, [segment(made, 0)]).values()
    assert row.hiddens.numel() == 0
