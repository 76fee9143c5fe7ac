"""The front end before a model: markup, lexicon, what passes untouched, paragraphs, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from speechmill.actors.models.base import ModelConfig, ModelInfo
from speechmill.actors.models.registry import describe, load
from speechmill.actors.records.utterance import Utterance
from speechmill.actors.text.front_end import FrontEnd, SpokenText, TextRules
from speechmill.actors.text.lexicon import lexicon_digest, read_lexicon
from speechmill.actors.text.markup import Markup, stripped
from speechmill.actors.text.segments import spoken_segments
from speechmill.errors import RowRejected, SpecError

TONE = describe(ModelConfig("tone"))
WORDS = replace(TONE, takes_words=True, languages=("en", "zh"), kept_text=r"\[laugh\]|\[[^\[\]]+\]\(/[a-zəɪː]+/\)")
ENGLISH = replace(WORDS, languages=("en",))


def read(text: str, info: ModelInfo = ENGLISH, markup: Markup = "none", **lexicon: str) -> SpokenText:
    rules = TextRules(markup=markup, lexicon={"*": lexicon} if lexicon else {})
    return FrontEnd(info, rules).read(text)


def test_a_model_that_takes_words_gets_no_numeral_and_another_gets_the_text() -> None:
    assert read("It cost $5.").text == "It cost five dollars."
    assert read("It cost $5.", TONE).text == "It cost $5."


def test_a_british_voice_reads_the_day_before_the_month() -> None:
    info = replace(ENGLISH, voice_languages=(("ada", "en-GB"),))
    front_end = FrontEnd(info)
    assert "fourth" in front_end.read("On 4/3/2022.", "ada").text
    assert "third" in front_end.read("On 4/3/2022.", "eve").text


def test_chinese_in_an_english_text_is_read_in_chinese_where_the_model_speaks_it() -> None:
    assert read("I read 第3名 and 3 more", WORDS).text == "I read 第三名 and three more"
    found = read("I read 第3名 and 3 more")
    assert "three more" in found.text
    assert found.unspoken


def test_what_is_not_spoken_is_named_and_not_given_to_the_model() -> None:
    found = read("The word is мир, said Анна.")
    assert found.text == "The word is, said."
    assert found.unspoken == ("мир", "Анна")


def test_tags_and_phonemes_pass_untouched() -> None:
    assert read("Ha [laugh] 5 [laugh]!").text == "Ha [laugh] five [laugh]!"
    assert (
        read("See [word](/wɜd/) 5").text == "See [word](slash w slash) five"
        or "[word]" in read("See [word](/wɜd/)").text
    )
    parts = read("See [word](/wəd/) 5").parts
    assert parts[0].text == "See [word](/wəd/) five"
    assert read("See [word](/wəd/) 5").text == "See word five"


def test_a_link_whose_target_is_no_phonemes_keeps_its_words() -> None:
    """The bug: the path of a link was taken for phonemes, and the words of the link were lost."""
    assert "the manual" in read("Open [the manual](/help/manual/) first.").text
    assert read("Open [the manual](/help/manual/) first.", markup="strip").text == "Open the manual first."


def test_paragraphs_have_pauses_of_their_own_and_lines_between_them_are_not_spoken() -> None:
    found = read("One.\n\n* * *\n\nTwo.\n\nThree.")
    assert [part.text for part in found.parts] == ["One.", "Two.", "Three."]
    assert [part.pause_s for part in found.parts] == [None, 0.6, 0.6]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("## Notes\n\n**Bold** and ~~old~~ text", "Notes\n\nBold and old text"),
        ("see [the guide](https://example.com/a_(b)) now", "see the guide now"),
        ("a ![picture of it](x.png) here", "a picture of it here"),
        ("<p>Hello <b>there</b>.</p><p>You &amp; me</p>", "\n\nHello there.\n\n\n\nYou & me\n\n"),
        ("2 < 3 and 5 > 4 &lt; 6", "2 < 3 and 5 > 4 < 6"),
        ("<script>x = 1</script>word", "word"),
        ("* one\n* two\n- [x] three\n> four", "one\ntwo\nthree\nfour"),
        ("| a | b |\n|---|---|\n| c | d |", "a, b\n\nc, d"),
        ("`code` and snake_case_name and 2*3*4", "code and snake_case_name and 2*3*4"),
        ("a \\*star\\* b", "a *star* b"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
    ],
)
def test_marks_go_and_words_stay(text: str, words: str) -> None:
    assert stripped(text) == words


def test_ssml_is_followed_where_it_is_known() -> None:
    found = read(
        '<speak>Hello.<break time="500ms"/>Say <say-as interpret-as="characters">ABC</say-as> and '
        '<sub alias="World Wide Web">WWW</sub>, <phoneme ph="wəd">word</phoneme>.<p>One.</p><p>Two.</p></speak>',
        markup="ssml",
    )
    assert [part.text for part in found.parts] == [
        "Hello.",
        "Say A B C and World Wide Web, [word](/wəd/).",
        "One.",
        "Two.",
    ]
    assert [part.pause_s for part in found.parts] == [None, 0.5, 0.6, 0.6]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('<speak><prosody rate="slow">x</prosody></speak>', "prosody"),
        ("<speak>x<audio src='a.wav'/></speak>", "audio"),
        ("<speak>x", "no SSML"),
        ('<break time="soon"/>x', "soon"),
        ('<break time="99s"/>x', "99s"),
        ('<say-as interpret-as="song">x</say-as>', "song"),
        ("<sub>x</sub>", "alias"),
        ('<phoneme ph="日">x</phoneme>', "phoneme"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><speak>&a;</speak>', "DOCTYPE"),
    ],
)
def test_ssml_that_is_not_followed_is_refused_by_name(text: str, names: str) -> None:
    with pytest.raises(RowRejected, match=names):
        read(text, markup="ssml")


def test_a_lexicon_is_applied_at_the_boundaries_of_words() -> None:
    found = read("nginx, Nginx and NGINX, not nginxes or onginx 5", nginx="engine X")
    assert found.text == "engine X, engine X and engine X, not nginxes or onginx five"


def test_phonemes_of_a_lexicon_are_for_models_that_take_them() -> None:
    assert read("A word.", word="/wəd/").parts[0].text == "A [word](/wəd/)."
    with pytest.raises(SpecError, match="phonemes that tone does not take"):
        read("A word.", TONE, word="/wəd/")
    with pytest.raises(SpecError, match="phonemes that tone does not take"):
        read("A word.", word="/日/")


def test_a_lexicon_is_for_its_language() -> None:
    rules = TextRules(lexicon={"en": {"cat": "kitty"}, "en-GB": {"dog": "hound"}})
    info = replace(ENGLISH, voice_languages=(("ada", "en-GB"),))
    assert FrontEnd(info, rules).read("A cat, a dog.").text == "A kitty, a dog."
    assert FrontEnd(info, rules).read("A cat, a dog.", "ada").text == "A kitty, a hound."


def test_a_lexicon_file_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    file = tmp_path / "words.tsv"
    file.write_text("# mine\nnginx\tengine X\n\nGNU\t/ɡnu/\ten\n", encoding="utf-8")
    assert read_lexicon(str(file)) == {"*": {"nginx": "engine X"}, "en": {"GNU": "/ɡnu/"}}
    before = lexicon_digest(str(file))
    file.write_text("GNU\t/ɡnu/\ten\nnginx\tengine X\n", encoding="utf-8")
    assert lexicon_digest(str(file)) == before, "the order is no matter"
    for content, fault in (("nginx\n", "line 1"), ("a\tb\na\tc\n", "twice"), ("a\tb\ten\tx\n", "line 1")):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(SpecError, match=fault):
            read_lexicon(str(file))
    with pytest.raises(SpecError, match="cannot be read"):
        read_lexicon(str(tmp_path / "none.tsv"))


def test_a_row_of_many_thousand_words_is_read_and_split() -> None:
    text = " ".join(f"We paid ${number} on 5 May 20{number % 90 + 10}, Dr. Lee said." for number in range(1_500))
    model = load(ModelConfig("tone"))
    model.info = replace(ENGLISH, split_chars=300)
    planned = spoken_segments(Utterance(0, "a", text, 1), model, FrontEnd(model.info), 0.2)
    assert len(planned.segments) > 187
    assert not any(char.isdigit() for segment in planned.segments for char in segment.text)
    assert all(segment.text.endswith(".") for segment in planned.segments)


def test_a_row_with_unspoken_text_fails_where_the_job_says_so() -> None:
    model = load(ModelConfig("tone"))
    model.info = ENGLISH
    row = Utterance(0, "a", "Hello мир.", 1)
    planned = spoken_segments(row, model, FrontEnd(ENGLISH), 0.2)
    assert planned.spoken.unspoken == ("мир",)
    with pytest.raises(RowRejected, match=r"'мир' cannot be spoken.*text.unspoken: report"):
        spoken_segments(row, model, FrontEnd(ENGLISH, TextRules(fails=True)), 0.2)
    with pytest.raises(RowRejected, match="nothing in the text can be spoken: 'мир'"):
        spoken_segments(replace(row, text="мир"), model, FrontEnd(ENGLISH), 0.2)
