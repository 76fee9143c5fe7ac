"""Text to phoneme ids: known readings, and no text that breaks it or takes long."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechmill.actors.models.hibari.network import VOCABULARY
from speechmill.actors.models.hibari.phonemes import Phonemes, prepared
from speechmill.errors import RowRejected

AMERICAN = Phonemes(british=False)
BRITISH = Phonemes(british=True)


def ids(phonemes: Phonemes, text: str) -> tuple[int, ...]:
    return prepared(phonemes.pronounced(text)).tokens


TANGLES = st.lists(
    st.sampled_from(["1/", "a-", "$", "9,", "%", "a@", "[x](", "](", "/", "A.", "1st", "’", "12:3", "½", "\ud800"]),
    max_size=120,
).map("".join)


@given(st.text(max_size=200) | TANGLES)
@example("9" * 100)
@example("[" + "word " * 60 + "](https://example.org)")
@settings(max_examples=min(150, 2 * settings.default.max_examples), deadline=None)
def test_any_text_gives_ids_nothing_or_a_rejected_row(text: str) -> None:
    try:
        found = ids(AMERICAN, text)
    except RowRejected as error:
        assert repr(text[:40]) in str(error)
        return
    assert found == () or (found[0] == found[-1] == 0 and len(found) > 2)
    assert all(0 < each < VOCABULARY for each in found[1:-1])
    words = prepared(AMERICAN.pronounced(text)).words
    places = [place for _, first, end in words for place in (first, end)]
    assert places == sorted(places), "words ascend and do not overlap"
    assert all(word and 0 < first < end < len(found) for word, first, end in words)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "...", "?!", "—", "“”", "你好", "🙂", "\u200b"])
def test_nothing_to_pronounce_gives_no_ids(text: str) -> None:
    assert ids(AMERICAN, text) == ()


def test_the_ids_are_those_of_the_package() -> None:
    from hibari import Hibari

    package = Hibari()
    for text in ("Hello there.", "On the 3rd of March 2024, 1,250 people paid $9.99 each.", "A [pair](/pˈɛɹ/) of it."):
        (phonemes,) = package.phonemize(text)
        assert list(ids(AMERICAN, text)) == package.ids(phonemes)


def test_a_british_voice_reads_the_british_way() -> None:
    text = "Laugh at the new tomato, there is hardly a better one."
    assert ids(AMERICAN, text) != ids(BRITISH, text)


def test_a_word_without_end_is_read_in_pieces() -> None:
    """The package's rules took ten seconds for 400 characters of this, and the cube of that for more."""
    assert len(ids(AMERICAN, "a-" * 200)) > 200


def test_a_number_beyond_all_names_is_the_rows_own_failure() -> None:
    with pytest.raises(RowRejected, match="cannot read the text '9999"):
        ids(AMERICAN, "9" * 48)


@pytest.mark.parametrize(
    ("text", "word", "other"),
    [
        ("We asked, and they said no. Then it rained.", "no", "number"),
        ("It is either yes or no.", "no", "number"),
        ("Here is a ripe fig. It is sweet.", "fig", "figure"),
        ("His name is Jan. He sings.", "Jan", "January"),
        ("Half of Gen Z agrees.", "Gen", "General"),
        ("Our friend Richard Ode came.", "Richard", "Richard the"),
    ],
)
def test_words_are_not_read_as_abbreviations_or_numerals_once_more(text: str, word: str, other: str) -> None:
    """The front end has decided what each is."""
    said = f" {AMERICAN.phonemes(text)} "
    assert f" {AMERICAN.phonemes(word)}" in said
    assert AMERICAN.phonemes(other) not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One, two, three. Don't stop!", ["One", "two", "three", "Don't", "stop"]),
        ("Dr. Smith's well-known friend said: “yes”.", ["Dr", "Smith's", "well-known", "friend", "said", "yes"]),
        ("Škoda [word](/wˈɜɹd/) — (here), in Jan. now", ["Škoda", "word", "here", "in", "Jan", "now"]),
        ("... ?!", []),
    ],
)
def test_words_are_those_of_the_text_and_their_phonemes_are_their_own(text: str, words: list[str]) -> None:
    found = AMERICAN.pronounced(text)
    assert [word for word, _, _ in found.words] == words
    for word, first, end in found.words:
        alone = AMERICAN.pronounced(word).phonemes
        spoken = found.phonemes[first:end]
        assert spoken.strip() == spoken
        assert len(spoken) <= len(alone) + 3
        assert not set(spoken) & set(",.!?:;—“”()")


def test_phonemes_are_those_of_the_packages_own_call() -> None:
    from hibari.g2p import G2P

    package = G2P()
    for text in ("Hello there.", "A [pair](/pˈɛɹ/) of it, and don't: stop", "The old army — re-read it"):
        assert AMERICAN.pronounced(text).phonemes.replace(" ", "") == str(package(text, normalize_text=False)).replace(
            " ", ""
        )
