"""Kinds of forms with their neighbours: what is read as one, beside what looks like it and is read otherwise."""

from __future__ import annotations

import pytest

from speechmill.actors.text.front_end import FrontEnd, reader_of
from speechmill.actors.text.reading.analyser import analyse
from speechmill.actors.text.sentences import sentence_spans

from ..test_front_end import ENGLISH


def spoken(text: str, language: str = "en") -> str:
    return analyse(text, reader_of(language), is_chinese=language == "zh").spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The fair is in Nov.", "The fair is in November."),
        ("It snowed in Dec. We stayed.", "It snowed in December. We stayed."),
        ("We paid in Feb. Prices rose.", "We paid in February. Prices rose."),
        ("She left in Mar. and came back.", "She left in March and came back."),
        ("We saw Jan. Smith there.", "We saw Jan. Smith there."),
        ("See you Thurs.", "See you Thursday."),
        ("They love the Sun.", "They love the Sun."),
        ("We wrote to the Sen.", "We wrote to the senator."),
        ("She met Sen. Lopez.", "She met senator Lopez."),
        ("Open Tuesday–Friday.", "Open Tuesday to Friday."),
        ("The April–May rains.", "The April to May rains."),
        ("The Oslo–Bergen line.", "The Oslo–Bergen line."),
        ("It is due on 3/4.", "It is due on March fourth."),
        ("She ate 3/4 of it.", "She ate three quarters of it."),
    ],
)
def test_months_days_and_titles(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The shop is at 61 E. 22nd St.", "The shop is at sixty one east twenty second street."),
        ("Send it to 7 S 8th Ave, 3rd Fl.", "Send it to seven south eighth avenue, third floor."),
        ("It stands at 14 Elm Rd, Salem.", "It stands at fourteen Elm road, Salem."),
        ("It draws 61 W. We saw it.", "It draws sixty one watts. We saw it."),
        ("A force of 7 N holds it.", "A force of seven newtons holds it."),
        ("The 2nd fl. is dark.", "The second floor is dark."),
        ("She drove S on Route 9.", "She drove S on Route nine."),
        ("Head N on Route 9.", "Head north on Route nine."),
    ],
)
def test_points_of_the_compass_are_no_units(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mg²⁺ binds.", "M G two plus binds."),
        ("K⁺ and CO₃²⁻ stay.", "K plus and C O three two minus stay."),
        ("Zn2+ binds.", "Z N two plus binds."),
        ("The area is x² here.", "The area is x squared here."),
        ("It is 10⁻⁴ wide.", "It is ten to the power of minus four wide."),
        ("Here log₂8 = 3.", "Here log base two of eight equals three."),
        ("A map of 1:25,000 is old.", "A map of one to twenty five thousand is old."),
        ("We met at 1:25, alone.", "We met at one twenty five, alone."),
        ("Mixed 2:3 with oil.", "Mixed two to three with oil."),
        ("She takes <5 mg of it, and x < 5.", "She takes less than five milligrams of it, and x is less than five."),
        ("Her BP was 110/70.", "Her B P was one hundred ten over seventy."),
    ],
)
def test_charges_scales_and_bounds(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Item #B4-2207 is gone.", "Item number B four, two two zero seven is gone."),
        ("Order #90417 came.", "Order number nine zero four one seven came."),
        ("They are #3 now.", "They are number three now."),
        ("We like #winter2024.", "We like hashtag winter twenty twenty four."),
        ("In need, phone 116.", "In need, phone one one six."),
        ("A 999 call came.", "A nine nine nine call came."),
        ("Call 300 members.", "Call three hundred members."),
        ("Look at wikipedia.org and mit.edu.", "Look at wikipedia dot org and mit dot edu."),
    ],
)
def test_codes_and_numbers_that_are_dialled(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Three 767s landed.", "Three seven sixty sevens landed."),
        ("Highs in the upper 50s.", "Highs in the upper fifties."),
        ("She is in her 70s.", "She is in her seventies."),
        ("He has four 20s.", "He has four twenties."),
        ("Only 1s and 0s.", "Only ones and zeros."),
        ("Set a 45s timer.", "Set a forty five second timer."),
        ("It takes 20s to boot.", "It takes twenty seconds to boot."),
        ("He waits 30s for the bus.", "He waits thirty seconds for the bus."),
        ("A club of 30s jazz.", "A club of thirties jazz."),
        ("By its 30s it had changed.", "By its thirties it had changed."),
        ("We ran three 20s sprints.", "We ran three twenty second sprints."),
        ("100s of birds.", "Hundreds of birds."),
    ],
)
def test_numbers_in_the_plural_are_seconds_only_where_time_is_meant(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("We <3 rain.", "We heart rain."),
        ("Thanks so much <3", "Thanks so much heart"),
        ("Here n <3 holds.", "Here n is less than three holds."),
        ("Nice one :)", "Nice one smiling face"),
        ("(as they say :)", "(as they say :)"),
        ("The ratio: (a) or b.", "The ratio: (a) or b."),
        ("Hot 🌶🌶🌶, right?", "Hot hot pepper, right?"),
        ("It got ★★★☆☆.", "It got three out of five stars."),
        ("Wow!!! Yes.", "Wow!!! Yes."),
    ],
)
def test_emoticons_are_named_as_emoji_are_and_a_run_once(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("> She agreed.", "She agreed."),
        (">> 5 of them came.", "Five of them came."),
        (">5 kg is too much.", "Greater than five kilograms is too much."),
        ("So a > b.", "So a is greater than b."),
    ],
)
def test_marks_of_quoted_mail_are_silent(text: str, said: str) -> None:
    assert spoken(text) == said


def test_marks_of_quoted_mail_go_on_every_line_and_are_not_reported() -> None:
    found = FrontEnd(ENGLISH).read("> We met.\n> It rained.\nSo a > b.")
    assert found.text == "We met. It rained. So a is greater than b."
    assert not found.unspoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("US SENATE VOTES TODAY", "U S senate votes today"),
        ("THE US AND UK AGREE", "The U S and U K agree"),
        ("THEY GAVE US BREAD", "They gave us bread"),
        ("COME WITH US NOW", "Come with us now"),
    ],
)
def test_letters_stay_letters_in_a_text_of_capitals(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("车牌苏E·70213。", "车牌苏E七零二一三。"),
        ("设m-n≤2。", "设m减n小于等于二。"),
        ("从A-B出发。", "从A-B出发。"),
        ("周二–周四休息。", "周二到周四休息。"),
        ("比例尺1:25,000。", "比例尺一比两万五千。"),
        ("Mg²⁺离子。", "Mg正二价离子。"),
        ("真好吃🔥🔥🔥", "真好吃火焰"),
        ("谢谢:)", "谢谢笑脸"),
    ],
)
def test_the_same_kinds_in_chinese(text: str, said: str) -> None:
    assert spoken(text, "zh") == said


def test_a_month_that_ends_a_sentence_ends_it_before_and_after_reading() -> None:
    text = "It closed in Sept. Sales fell."
    said = spoken(text)
    assert len(sentence_spans(text, 0, len(text))) == len(sentence_spans(said, 0, len(said), is_read=True)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The patient, 51M, slept.", "The patient, fifty one M, slept."),
        ("She was seen as a patient (38F) before.", "She was seen as a patient (thirty eight F) before."),
        ("Sales, 51M, rose.", "Sales, fifty one million, rose."),
        ("A 5.9-mag. shock.", "A five point nine-magnitude shock."),
        ("A mag. from 1990.", "A magazine from nineteen ninety."),
        ("12m died of it.", "twelve million died of it."),
        ("The wall is 12m long.", "The wall is twelve meters long."),
    ],
)
def test_letters_behind_numbers_by_what_stands_around(text: str, said: str) -> None:
    assert spoken(text).lower() == said.lower()
