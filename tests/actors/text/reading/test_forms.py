"""Forms that were once read as something else, beside their neighbours: law, TeX, codes, amounts, dates, Chinese."""

from __future__ import annotations

import pytest

from speechmill.actors.text.front_end import reader_of
from speechmill.actors.text.reading.analyser import analyse


def spoken(text: str, language: str = "en") -> str:
    return analyse(text, reader_of(language), is_chinese=language == "zh").spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Fed. R. Civ. P. 26 governs it.", "Federal rule of civil procedure twenty six governs it."),
        ("See Fed. R. Evid. 702.", "See federal rule of evidence seven hundred two."),
        ("Read p. 26 of it.", "Read page twenty six of it."),
        ("It is 88 F.3d 7.", "It is eighty eight F third seven."),
        ("Live at 12 N. 4th Street.", "Live at twelve north fourth Street."),
        ("We wait 3d here.", "We wait three days here."),
        ("Pub. L. No. 99-12 stands.", "Public law ninety nine, twelve stands."),
        ("Read Jn 4:7-9 and Ruth 1:16.", "Read John four seven to nine and Ruth one sixteen."),
        ("Mix it 4:7.", "Mix it four to seven."),
        ("He was b. 1871.", "He was born eighteen seventy one."),
    ],
)
def test_law_and_verses(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"So $\frac{x}{7} \geq 2$ here.", "So x over seven is greater than or equal to two here."),
        (r"Let \(a_1\) be \beta.", "Let a sub one be beta."),
        (r"Take $\sqrt[3]{8}$ of it.", "Take cube root of eight of it."),
        ("Pay $7 or $9 for x = 2.", "Pay seven dollars or nine dollars for x equals two."),
        ("Take x^{3} of it.", "Take x cubed of it."),
        ("So 8*3=24 holds.", "So eight times three equals twenty four holds."),
        ("And 9/3=3 holds.", "And nine divided by three equals three holds."),
        ("Then y=4x-7 holds.", "Then y equals four X minus seven holds."),
        ("Go a -> b.", "Go a to b."),
        ("It is 2.5e-4.", "It is two point five times ten to the minus four."),
        ("Dates by ¹⁴C, and 10⁶.", "Dates by fourteen C, and ten to the power of six."),
    ],
)
def test_mathematics_in_tex_and_on_the_line(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("My 401(k) and 403b grew.", "My four oh one K and four oh three B grew."),
        ("An 802.11ac card.", "An eight oh two point eleven A C card."),
        ("We own 3 ac of land.", "We own three acres of land."),
        ("It is 0x1F, not 3x4.", "It is zero X one F, not three by four."),
        ("A 3-in-1 tool, a 3-in pipe.", "A three-in-one tool, a three inch pipe."),
        ("It is GMT-5 there, UTC+05:30 here.", "It is G M T minus five there, U T C plus five thirty here."),
        ("They are 11-4-2 now.", "They are eleven, four, two now."),
        ("Add H2SO4 to it.", "Add H two S O four to it."),
        ("Call 555-0142 x31.", "Call five five five, zero one four two extension thirty one."),
        ("At 52°N it is dark.", "At fifty two degrees north it is dark."),
        ("TL;DR it works.", "T L D R it works."),
        ("He got a B- there.", "He got a B minus there."),
        ("Give 5 mg/kg/day.", "Give five milligrams per kilogram per day."),
    ],
)
def test_numbers_that_are_names(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It was £4 11s 6d then.", "It was four pounds eleven shillings and six pence then."),
        ("It takes 11s.", "It takes eleven seconds."),
        ("It is 2 000,50 €.", "It is two thousand euros and fifty cents."),
        ("It is 2'000.50 CHF.", "It is two thousand Swiss francs and fifty centimes."),
        ("It is €0,85.", "It is eighty five cents."),
        ("It is €7,- now.", "It is seven euros now."),
        ("A $2.5-billion plan.", "A two point five billion dollar plan."),
        ("Rp 20.000 is little.", "Twenty thousand Indonesian rupiahs is little."),
        ("It ran in 11/2004.", "It ran in November two thousand four."),
        ("The 2017/18 season.", "The twenty seventeen to eighteen season."),
        ("From 3 May–5 June.", "From the third of May to the fifth of June."),
        ("A 50-50 split.", "A fifty fifty split."),
        ("Mon.-Sat. 10am.", "Monday to Saturday ten A M."),
    ],
)
def test_amounts_and_dates(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("见http://a.com/b，再说。", "见http 冒号 斜杠 斜杠 a 点 com 斜杠 b，再说。"),
        ("有2吨、2厘米和2、3个。", "有两吨、两厘米和两三个。"),
        ("2年级学2元一次方程。", "二年级学二元一次方程。"),
        ("涨了30-40%。", "涨了百分之三十到四十。"),
        ("每月15k，18K金。", "每月一万五千，十八K金。"),
        ("时速90公里/小时，3元/m²。", "时速九十公里每小时，三元每平方米。"),
        ("他高1米83。", "他高一米八三。"),
        ("“3·15”晚会和911事件。", "“三一五”晚会和九一一事件。"),
        ("歼-16飞了，气温-16℃。", "歼十六飞了，气温零下十六摄氏度。"),
        ("4-3-3阵型，图2-1。", "四三三阵型，图二杠一。"),
        ("约3½小时。", "约三又二分之一小时。"),
        ("第3/9页，血压110/70。", "第三斜杠九页，血压一百一十比七十。"),
        ("从2023.1.2-2023.3.4。", "从二零二三年一月二日到二零二三年三月四日。"),
        ("比分4∶1，真好~", "比分四比一，真好"),
        ("评分★★★☆☆。", "评分三颗星，满分五颗星。"),
        ("电话021-6888 7777。", "电话零二幺六八八八七七七七。"),
        ("2K屏，¥99/台，九·一八。", "二K屏，九十九元每台，九一八。"),
        ("时区UTC-8。", "时区UTC减八。"),
    ],
)
def test_chinese_kinds(text: str, said: str) -> None:
    assert spoken(text, "zh") == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Wait a sec. I will do it.", "Wait a sec. I will do it."),
        ("She likes art. I like it too.", "She likes art. I like it too."),
        ("Call Tim 3:30 pm.", "Call Tim three thirty P M."),
        ("Read 2 Tim 3:16.", "Read two Timothy three sixteen."),
        (
            "It was (a) 2017, (b) 2018 and (c) 2019 again.",
            "It was (a) twenty seventeen, (b) twenty eighteen and (c) twenty nineteen again.",
        ),
        ("The 3d Cir. ruled it.", "The third circuit ruled it."),
        ("The 2d Infantry Division.", "The second Infantry Division."),
        ("Eats at $$ and $$ places.", "Eats at dollar dollar and dollar dollar places."),
    ],
)
def test_words_beside_law_verses_and_tex(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Shot at 1/2000 of a second.", "Shot at one slash two thousand of a second."),
        ("It hit 10/2000 people.", "It hit ten slash two thousand people."),
        ("They win.../lose.", "They win... slash lose."),
        ("It ran in 4/2004.", "It ran in April two thousand four."),
        ("Over 10-2000 Hz it is flat.", "Over ten to two thousand hertz it is flat."),
        ("The 2020 X5 sells.", "The twenty twenty X five sells."),
        ("He won 457k votes.", "He won four hundred fifty seven thousand votes."),
        ("It weighs 802.5 g.", "It weighs eight hundred two point five grams."),
        ("He ran 5 km. 10 mins later he sat.", "He ran five kilometers. Ten minutes later he sat."),
        ("He is 5 ft. 3 in. tall.", "He is five feet three inches tall."),
        ("Tim Cook sat in seat 14F.", "Tim Cook sat in seat fourteen F."),
        ("Bake it at 350F.", "Bake it at three hundred fifty degrees Fahrenheit."),
        ("Set the text size to 140.", "Set the text size to one hundred forty."),
        ("(for k-12 pupils)", "(for k-twelve pupils)"),
        ("At 2020-01-02 02:30 PM.", "At January second, twenty twenty two thirty P M."),
    ],
)
def test_numbers_that_are_no_names(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("西安-5℃，共审结123案。", "西安零下五摄氏度，共审结一百二十三案。"),
        ("30年初心，70年春秋，08年夏。", "三十年初心，七十年春秋，零八年夏。"),
        ("提了问题3-5个，见表2-1。", "提了问题三到五个，见表二杠一。"),
        ("晚安~明天见，周一~周五。", "晚安，明天见，周一到周五。"),
        ("北京~上海高铁。", "北京到上海高铁。"),
        ("2·5倍。", "二点五倍。"),
        ("1、2个苹果。", "一、两个苹果。"),
    ],
)
def test_chinese_neighbours(text: str, said: str) -> None:
    assert spoken(text, "zh") == said
