"""Laws of normalising, for any text there is; and readings that a listener would notice if they went wrong."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechmill.actors.models.chattts.text.normalise import TAG, Language, Normalised, is_tags, language_of, normalise
from speechmill.actors.text.reading.folding import plain_latin
from speechmill.actors.text.reading.symbols import symbol_name

SPOKEN = re.compile(rf"(?:[\u4e00-\u9fffA-Za-z，。、,. ]|{TAG.pattern})*")
# Everything the rules have a notation, a grammar or a pattern for, so that chance finds their corners.
CORNERS = [
    *"0123456789.,:;!?'\"\\/{}[]()<>-–—~*#&@%+=$£€¥°²½①_ \n\tABamsté中年月日点三〇а́あ😀",
    "km",
    "p.m.",
    "Mr.",
    "1,234",
]
CORNERS += [
    "$1,5",
    "www.",
    ".com",
    "a@b.de",
    "[laugh]",
    "[uv_break]",
    "[oral_9]",
    "n't",
    "'s",
    "Jan.",
    "５",
    "ﬁ",
    "\ud800",
]
anything = st.text()
odd = st.lists(st.sampled_from(CORNERS), max_size=14).map("".join)
texts = st.one_of(anything, odd)
languages = st.sampled_from([None, "en", "zh"])

sparing = settings(max_examples=min(60, settings.default.max_examples), deadline=None)


@sparing
@given(texts, languages)
@example('5 "', "zh")
@example("5 \\", "zh")
@example('tokens { name: "5" } \\"', "en")
@example("a! b!", "en")
def test_what_comes_out_can_be_read_and_comes_out_again(text: str, language: Language | None) -> None:
    found = normalise(text, language)
    assert SPOKEN.fullmatch(found.text)
    assert found.language == (language or language_of(text))
    assert TAG.findall(found.text) == TAG.findall(text)
    assert normalise(text, language) == found
    assert normalise(found.text, found.language) == Normalised(found.text, found.language, "")


@sparing
@given(texts, languages)
def test_what_carries_meaning_is_said_or_reported(text: str, language: Language | None) -> None:
    found = normalise(text, language)
    assert len(set(found.dropped)) == len(found.dropped)
    assert set(found.dropped) <= set(text)
    assert not re.search("[0-9A-Za-z\u4e00-\u9fff]", found.dropped)
    # Chinese characters may only come to more: numbers are said in them.
    for char in re.findall("[\u4e00-\u9fff]", TAG.sub("", text)):
        assert char in found.text
    for char in TAG.sub("", text):
        if unicodedata.category(char)[0] == "L" and not is_latin_or_chinese(char):
            assert char in found.dropped or symbol_name(found.language, char.replace("µ", "μ")), "dropped or named"


def is_latin_or_chinese(char: str) -> bool:
    plain = unicodedata.normalize("NFKC", char)
    return (
        char in "æÆœŒøØłŁđĐıßðþÞʼ〇"
        or plain_latin(char) is not None
        or bool(re.search("[A-Za-z\u4e00-\u9fff]", unicodedata.normalize("NFD", plain)))
    )


@sparing
@given(
    st.lists(
        st.sampled_from(["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "今天", "天气", "真好"]),
        max_size=20,
    )
)
def test_words_and_characters_without_numbers_stay_as_they_are(words: list[str]) -> None:
    text = " ".join(words)
    assert normalise(text).text == text


FORMS = ["{}", "{:,}", "It is {} today", "${}", "${:,}", "{:,} km", "-{}", "{} men"]


@sparing
@given(st.integers(0, 10**12), st.sampled_from(FORMS))
def test_an_english_number_is_said_as_what_it_is(number: int, form: str) -> None:
    """The rules alone say "thousand two hundred" for 1,200 and for $1200."""
    words = (
        normalise(form.format(number), "en")
        .text.lower()
        .replace("it is ", "")
        .replace(" today", "")
        .replace(" men", "")
    )
    words = re.sub(r" ?(?:dollars?|kilometers?|minus) ?", "", words)
    assert number in set(values(words.split()))


UNITS = re.findall(
    r"\w+", "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
)
UNITS += ["sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
VALUES = {word: value for value, word in enumerate(UNITS)} | {w: 10 * v for v, w in enumerate(TENS, 2)} | {"oh": 0}


def values(words: list[str]) -> list[int]:
    """What English words can mean as a number, read as a whole or, as years are, in two halves of two digits."""
    halves = [(cardinal(words[:cut]), cardinal(words[cut:])) for cut in range(1, len(words))]
    return [cardinal(words), *(100 * a + b for a, b in halves if 10 <= a < 100 and b < 100)]


def cardinal(words: list[str]) -> int:
    total = current = 0
    for word in words:
        if word == "hundred":
            current *= 100
        elif word in SCALES:
            total, current = total + current * SCALES[word], 0
        elif word != "and":
            current += VALUES[word]
    return total + current


@sparing
@given(st.floats(0, 10**6).map(lambda number: f"{number:.2f}"))
def test_a_price_is_said_in_dollars_and_cents(price: str) -> None:
    words = normalise(f"${price}").text.lower()
    dollars, _, cents = re.sub(r"dollars?(?: and)?|^(?=.*cents?$)(?!.*dollar)", "|", words).partition("|")
    whole, part = map(int, price.split("."))
    assert whole in values(dollars.split())
    assert cardinal(re.sub("cents?$", "", cents).split()) == part


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('£1,234.56', 'One thousand two hundred thirty four pounds and fifty six pence'),
        ('1000 men, $1000.5', 'One thousand men, one thousand point five dollars'),
        ('-1234.05', 'Minus one thousand two hundred thirty four point zero five'),
        ('On March 3, 2021, at 5:30 p.m., we', 'On March third, twenty twenty one, at five thirty P M, we'),
        ('½ cup, 3½ cups', 'One half cup, three and one half cups'),
        ('COVID-19, mp3', 'Covid nineteen, M P three'),
        ('2 + 2 = 4, 3 × 4, R&D, C++', 'Two plus two equals four, three times four, R and D, C plus plus'),
        ('abc@163.com', 'abc at one six three dot com'),
        ('www.example.org/a-b', 'W W W dot example dot org slash a dash b'),
        ("I'll go, don't you? It's John's; let's", 'I will go, do not you. It is Johns, let us'),
        ("The shell isn't well", 'The shell is not well'),
        ('the U.S. and A. J. Smith', 'the U S and A J Smith'),
        ('Mr. Smith and Dr. Jones, No. 5', 'Mister Smith and doctor Jones, number five'),
        ("at 12:00, the dogs' bowls", 'at twelve o clock, the dogs bowls'),
        ('café Zürich Ångström ＡＢＣ１２ ﬁne', 'cafe Zurich Angstrom A B C twelve fine'),
        ('٣٤٥ and 5️⃣', 'Three hundred forty five and five'),
        ('(a) [b] {c} “d” well-known -- e', 'a, b, c, d well known, e'),
        ('[laugh]5[uv_break]10 [speed_5]', '[laugh]Five[uv_break]Ten [speed_5]'),
        ('[oral_٣] [break_9]', 'oral underscore three, break underscore nine,'),
        ('x < 3 and y > 5, -$5', 'x is less than three and y is greater than five, minus five dollars'),
        ('24/7 since 9/11', 'Twenty four seven since nine eleven'),
    ],
)  # fmt: skip
def test_english_is_read(text: str, said: str) -> None:
    assert normalise(text, "en") == Normalised(said, "en", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('今天是2021年3月5日，气温25°C。', '今天是二零二一年三月五日，气温二十五摄氏度。'),
        ('价格是¥99.5，涨了3.5%。', '价格是九十九点五元，涨了百分之三点五。'),
        ('电话：13812345678', '电话，幺三八幺二三四五六七八'),
        ('下午3:30开会，比分3:2，共1/2。', '下午三点三十分开会，比分三比二，共二分之一。'),
        ('第3名，5kg，100km/h，3㎡', '第三名，五千克，一百千米每小时，三平方米'),
        ('我有3个apple和iPhone 15 Pro', '我有三个apple和iPhone 十五 Pro'),
        ('1,234,567人，3-5天，10~20元', '一百二十三万四千五百六十七人，三到五天，十到二十元'),
        ('1000 stars，1 viii', '一千 stars，一 viii'),
        ('５０％，〇', '百分之五十，零'),
        ('邮箱a@b.com', '邮箱a 艾特 b 点 com'),
    ],
)  # fmt: skip
def test_chinese_is_read(text: str, said: str) -> None:
    assert normalise(text, "zh") == Normalised(said, "zh", "")


def test_a_number_by_chinese_characters_is_chinese_in_an_english_text_too() -> None:
    assert normalise("I read 第3名 and 3 more").text == "I read 第三名 and three more"


def test_what_cannot_be_said_is_reported_as_it_was_written() -> None:
    assert normalise("Привет й こんにちは 한 😀😀 a").dropped == "Приветйこんにちは한"
    assert normalise("Привет, мир!") == Normalised("", "en", "Приветм")
    assert normalise("a\u200bb\ufeff\ud800 (c) \x00").dropped == ""


@pytest.mark.parametrize("text", ["", " \n", ".", "'", "-", "“”", "[laugh]"])
def test_a_text_with_nothing_to_say_is_empty_but_for_its_tags(text: str) -> None:
    assert normalise(text).text == "".join(TAG.findall(text))


def test_homophones_are_written_last_and_once() -> None:
    found = normalise("他有3个", homophones={"三": "山", "山": "x", "他": "5", "个": "a"})
    assert (found.text, found.dropped) == ("有山a", "5")


@pytest.mark.parametrize("unit", ["a", "中", "'", '"', "[", "-", "www.", "a@", "é", "в", "[laugh]", "\n", "the rest, "])
@pytest.mark.parametrize("length", [10_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_a_text_of_any_length_ends(unit: str, length: int) -> None:
    text = unit * (length // len(unit))
    assert normalise(text).language in ("en", "zh")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("unit", ["1", "1,", "$1 ", "a1", "5\"", "5 km, ", "3月"])  # fmt: skip
def test_a_long_text_of_numbers_ends(unit: str, language: Language) -> None:
    found = normalise(unit * 300, language)
    assert found.text
    assert not found.dropped


def test_the_language_is_that_of_most_of_the_text() -> None:
    assert language_of("今天 apple") == "zh"
    assert language_of("今 apple") == "en"
    assert language_of("ＡＢ 今") == "en"
    assert language_of("[laugh][uv_break]今") == "zh"
    assert language_of("") == "en"


def test_tags_are_those_that_the_model_has() -> None:
    assert is_tags("[oral_2] [laugh_0][break_6]")
    assert is_tags("")
    assert not is_tags("[oral_10]")
    assert not is_tags("[spk_emb]")
    assert not is_tags("[laugh] a")
    assert not is_tags("[oral_٣]")
