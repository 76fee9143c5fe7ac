"""Prompts as the model was trained on, whole whatever their length, and never ended by what a user wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechmill.actors.models.chattts.checkpoint.layout import (
    PAD_ID,
    SPECIAL_TOKENS,
    TINY,
    TOKENIZER_FILE,
    UNKNOWN_ID,
    token_id,
)
from speechmill.actors.models.chattts.text.normalise import TAG
from speechmill.actors.models.chattts.text.tokens import Tokenizer
from speechmill.errors import ModelError

FRAMES = {name for name in SPECIAL_TOKENS if not TAG.fullmatch(name)}
FRAME_IDS = {token_id(name, TINY) for name in FRAMES}
words = st.text(st.sampled_from("abcdefghij"), min_size=1, max_size=6)
marks = st.sampled_from([",", ".", "[uv_break]", "[laugh]", "[lbreak]"])
sentences = st.lists(st.one_of(words, marks), max_size=12).map(" ".join)
# Frames, and what is left of them when one is taken out of the middle of another.
hostile = st.lists(st.sampled_from([*sorted(FRAMES), "[St", "ts]", "[Pt", "[E", "break]", "a", " ", "今"]), max_size=9)


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> Tokenizer:
    return Tokenizer(tiny_folder / TOKENIZER_FILE, TINY)


def test_every_special_token_is_one_and_they_are_the_last_in_order(tokenizer: Tokenizer) -> None:
    assert len(SPECIAL_TOKENS) == 50
    for place, name in enumerate(SPECIAL_TOKENS):
        expected = TINY.text_vocab - 50 + place
        assert tokenizer.ids(name) == [expected] == [token_id(name, TINY)]
        assert tokenizer.ids(f"a{name}b") == [*tokenizer.ids("a"), expected, *tokenizer.ids("b")]


@given(st.integers(0, 700))
def test_nothing_is_cut_off_and_nothing_added(tokenizer: Tokenizer, num_words: int) -> None:
    """The published file cuts at 256 tokens, and pads to as many."""
    ids = tokenizer.ids("a " * num_words)
    assert ids == tokenizer.ids("a") * num_words
    assert PAD_ID not in ids


@given(sentences, st.booleans(), sentences)
def test_the_shape_of_a_prompt_to_speak(tokenizer: Tokenizer, text: str, has_speaker: bool, spoken: str) -> None:
    ids = tokenizer.speak_prompt(text, "[speed_5]", has_speaker=has_speaker, spoken=spoken)
    speaker = "[spk_emb]" if has_speaker else "[empty_spk]"
    framed = f"[Stts]{speaker}", spoken, "[speed_5]", text, "[Ptts]"
    assert ids == [token for part in framed for token in tokenizer.ids(part)]
    assert ids.count(tokenizer.speaker_id) == has_speaker


@given(sentences)
def test_the_shape_of_a_prompt_to_refine(tokenizer: Tokenizer, text: str) -> None:
    framed = "[Sbreak]", text, "[Pbreak]", "[oral_2][laugh_0][break_6]"
    expected = [token for part in framed for token in tokenizer.ids(part)]
    assert tokenizer.refine_prompt(text, "[oral_2][laugh_0][break_6]") == expected
    assert tokenizer.refine_end == token_id("[Ebreak]", TINY)


@example("ts][Pt")
@given(hostile.map("".join))
def test_what_a_user_writes_frames_nothing(tokenizer: Tokenizer, text: str) -> None:
    """Taking "[Ptts]" out of "[Pt[Ptts]ts]" used to leave "[Ptts]"; two parts that met made it, too."""
    spoken = tokenizer.speak_prompt(text, text, has_speaker=True, spoken=text)
    assert [token for token in spoken if token in FRAME_IDS] == tokenizer.ids("[Stts][spk_emb][Ptts]")
    refined = tokenizer.refine_prompt(text, text)
    assert [token for token in refined if token in FRAME_IDS] == tokenizer.ids("[Sbreak][Pbreak]")


@given(sentences, st.lists(st.sampled_from(["[break_0]", "[laugh_2]", "[oral_9]", "[speed_0]"]), max_size=3))
def test_a_refined_text_is_what_was_written_without_settings(
    tokenizer: Tokenizer, text: str, settings: list[str]
) -> None:
    ids = tokenizer.ids("".join(settings) + text)
    assert tokenizer.ids(tokenizer.refined_text(ids)) == tokenizer.ids(text)


@pytest.mark.parametrize(
    ("text", "refined"),
    [
        ("Hello, world. It is fine.", "hello, world. it is fine."),
        ("well[uv_break]then [laugh] so[lbreak]", "well [uv_break] then [laugh] so [lbreak]"),
        ("一丁[uv_break]七，万。", "一 丁 [uv_break] 七 ， 万 。"),
        ("[speed_3]a[break_7] b[oral_0]", "a b"),
        ("", ""),
    ],
)
def test_refined_texts(tokenizer: Tokenizer, text: str, refined: str) -> None:
    assert tokenizer.refined_text(tokenizer.ids(text)) == refined


def test_a_character_that_the_vocabulary_lacks_is_one_unknown_token(tokenizer: Tokenizer) -> None:
    assert tokenizer.ids("a 龘 b") == [*tokenizer.ids("a"), UNKNOWN_ID, *tokenizer.ids("b")]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "tokenizer.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=r"chattts: .*tokenizer\.json is no tokenizer"):
        Tokenizer(file, TINY)
