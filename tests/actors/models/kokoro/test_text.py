"""Texts to phonemes: cut by script, each piece read by its language, and nothing lost in silence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.hibari.phonemes import vocabulary
from speechmill.actors.models.kokoro.text.phonemes import ids_of, phonemes_of, prepared_in, tokens_of
from speechmill.actors.models.kokoro.text.scripts import runs, unreadable
from speechmill.errors import RowRejected


def test_the_vocabulary_is_that_of_the_weights() -> None:
    """Symbols stand for rows of the network's tables: another table would be gibberish."""
    symbols = vocabulary()
    assert len(symbols) == 114
    assert max(symbols.values()) == 177
    assert [symbols[char] for char in ';:,.!?—…" ɚˈˌː→↓ᵻ'] == [
        1,
        2,
        3,
        4,
        5,
        6,
        9,
        10,
        11,
        16,
        85,
        156,
        157,
        158,
        171,
        169,
        177,
    ]


def test_tokens_stand_between_pads_and_what_is_no_symbol_is_left_out() -> None:
    assert ids_of("a@b") == (0, 43, 44, 0)
    assert ids_of("…, !") == ids_of("") == ()


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("The kettle is on.", "en-us", "ðə kˈɛTᵊl ɪz ˌɔn."),
        ("I'm sure they’re", "en-us", "ˌIm ʃˈʊɹ ðɛɹ"),
        ("[read](/ɹˈɛd/) it", "en-gb", "ɹˈɛd ɪt"),
        ("Привет world", "en-us", "wˈɜɹld"),
        ("[hola](/ˈola/)!", "es", "ˈola!"),
        ("[salut](/salˈy/), [ça va](/savˈa/)?", "fr", "salˈy, savˈa?"),
    ],
)
def test_what_needs_no_extra_is_read(text: str, language: str, said: str) -> None:
    assert phonemes_of(text, language) == said


@pytest.mark.filterwarnings("default::SyntaxWarning", "default::DeprecationWarning")
@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("你好，世界。", "zh", "ni↓xau↓, ʂɨ↘ʨje↘."),
        ("12.5元", "zh", "ʂɨ↗ɚ↘tjɛ↓n u↓ɥɛ↗n"),
        ("我用Python写代码，很OK。", "zh", "wo↓jʊ↘ŋ pˈIθˌɑn ɕje↓ tai↘ma↓, xə↓n ˌOkˈA."),
        ("第3名是A组", "zh", "ti↘sa→nmi↗ŋ ʂɨ↘ ˈA ʦu↓"),
        ("She said 你好 twice.", "en-us", "ʃˌi sˈɛd ni↓xau↓ twˈIs."),
    ],
)
def test_chinese_and_english_are_mixed(text: str, language: str, said: str) -> None:
    """A Latin word in a Chinese line is read as English; misaki alone passes its letters on as phonemes."""
    assert phonemes_of(text, language) == said


def test_japanese_is_read_where_its_reader_is_installed() -> None:
    pytest.importorskip("pyopenjtalk")
    assert phonemes_of("今日はとても良い天気ですね。", "ja") == "kʲoː βa totemo joi teŋkʲi desɨ ne."


@pytest.mark.parametrize(
    ("language", "named"),
    [("es", "Spanish"), ("fr", "French"), ("hi", "Hindi"), ("it", "Italian"), ("pt-br", "Portug")],
)
def test_languages_without_a_free_reader_are_refused_with_the_reason(language: str, named: str) -> None:
    with pytest.raises(RowRejected, match=rf"no {named}.*GPL.*phonemes.*model\.options\.language"):
        tokens_of("uno", language)


def test_a_reader_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from speechmill.actors.models.kokoro.text import readers

    monkeypatch.setitem(sys.modules, "misaki.zh", None)
    with pytest.raises(RowRejected, match=r"Chinese .*speechmill\[kokoro-zh\]"):
        readers._chinese()


@given(st.text("ab 1.,?世界はカ-é한Ж", max_size=20))
def test_pieces_are_the_whole_text(text: str) -> None:
    assert "".join(piece.text for piece in runs(text)) == text
    assert unreadable(text) == tuple(dict.fromkeys(char for char in text if char in "한Ж"))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("2024年5月", [("han", "2024年5月")]),
        ("买iPhone 15吗", [("han", "买"), ("latin", "iPhone "), ("han", "15吗")]),
        ("Use 3 of 世界.", [("latin", "Use 3 of "), ("han", "世界.")]),
        ("今日はOKです", [("kana", "今日は"), ("latin", "OK"), ("kana", "です")]),
        ("a [b](/ˈx/) 世", [("latin", "a "), ("phonemes", "ˈx"), ("han", " 世")]),
        ("...", [("any", "...")]),
    ],
)
def test_numbers_and_marks_go_with_what_they_stand_at(text: str, pieces: list[tuple[str, str]]) -> None:
    assert [tuple(piece) for piece in runs(text)] == pieces


def test_words_have_their_tokens_where_all_is_english() -> None:
    found = prepared_in("Don't stop, now!", "en-us")
    assert found.tokens == tokens_of("Don't stop, now!", "en-us")
    assert [word for word, _, _ in found.words] == ["Don't", "stop", "now"]
    assert all(0 < first < end < len(found.tokens) for _, first, end in found.words)
    assert prepared_in("Stop, 你好", "en-us").words == ()
