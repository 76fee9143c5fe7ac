"""Numbers that stand to each other or in a row: fractions, ratios, scales, records, ordinals, plurals."""

from __future__ import annotations

import re

from .codes import PLANES
from .dates import MONTHS
from .measures import is_quoted
from .numbers import YEAR
from .numerals import cardinal, decimal, fraction, ordinal, pairs, plural, spelled, year
from .units import read_unit

_ORDINAL = re.compile(r"(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th|ST|ND|RD|TH)(?![A-Za-z])")
_FRACTION = re.compile(r"(?P<over>\d+)(?P<slash>[/⁄]|(?<=24)-(?=7\b))(?P<under>\d+)(?P<th>ths?|rds?|nds?)?(?![\d/])")
_SCALED = re.compile(
    r"(?P<a>\d{1,3}(?:,\d{3})+|\d+) ?: ?(?P<b>[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?: \d{3})+)(?![\d:]|,\d)"
    r"|(?P<a2>\d{1,3}(?:,\d{3})+) ?: ?(?P<b2>\d+)(?![\d:,])"
)
_EQUALS = re.compile(r" ?=(?!=)")
_IN_MONTH = re.compile(
    r"\b(?:in|since|until|till|by|dated?|expires?|exp\.?|from|to|through|between|before|after|[-–]):? ?\Z",
    re.IGNORECASE,
)
_SHARE_BEHIND = re.compile(r" (?:of an? |s\b|secs?\b|seconds?\b|shutter|exposure|chance|odds)")
_COUNTED = re.compile(r" (?:people|men|women|children|[a-z]{3,}s)\b")
_PRESSURE = re.compile(r" ?mm ?Hg\b")
_PRESSURE_BEFORE = re.compile(r"\b(?:BP|[Bb]lood pressure)(?: (?:is|was|of|at|reads?|measured|to))*:? \Z")
_RECORD = re.compile(r"\d{1,3}(?:–\d{1,3}){2}(?![\d–])")
_RATIO = re.compile(r"(?P<a>\d+(?:\.\d+)?)(?P<joint>:| : )(?P<b>\d+(?:\.\d+)?)(?::(?P<c>\d+))?(?![\d:]\d|\d)")
_CHAPTER = re.compile(
    r"(?<!\A)(?<=[\w.,;:] )[A-Z][a-z]+\.? \Z|\A(?:Psalms?|Genesis|Exodus|Matthew|Mark|Luke|John|Acts|Romans|Isaiah|Surah?) \Z"
)
_BOOK = re.compile(
    r"(?:\A|[^\w])(?:Gen|Ex|Exod|Lev|Num|Deut|Josh|Judg|Sam|Kgs|Chr|Chron|Neh|Esth|Ps|Pss|Prov|Eccl|Isa|Jer|Lam|Ezek|Dan|Hos|Mic|"
    r"Hab|Zech|Mal|Matt|Mt|Mk|Lk|Jn|Rom|Cor|Gal|Eph|Phil|Col|Thess|Tim|Tit|Heb|Jas|Pet|Rev|Quran|Qur'an|Koran|Psalms?|Genesis|"
    r"Exodus|Proverbs|Job|Ruth|Daniel|Luke|Mark|Matthew|John|Acts|Romans|Corinthians|Galatians|Ephesians|Hebrews|James|Peter|"
    r"Revelation|Gita)\.? \Z"
)
_ACROSS = re.compile(r"[-–](\d{1,3}):(\d{1,3})(?!\d)")
_NTH = re.compile(
    r"(?P<number>[23])d(?= (?:ed|Cir|Dist|Dept|App|Sess|Cong|Div|Inf|Cav|Bn|Lt|Batt)\.| (?:[A-Z][\w.]+ ){0,2}(?:Cir|Lt|Congress|Lieutenant|Infantry|"
    r"Cavalry|Battalion|Brigade|Regiment|Division|Army|Corps|Marines?|Armou?red|Airborne|Artillery|Squadron|Wing|Platoon|Company)\b)"
)
_PLURAL = re.compile(r"(?P<number>\d{1,4})s(?![\w/²'’-])(?P<of> of\b)?")
_MANY = {"10": "tens", "100": "hundreds", "1000": "thousands"}
_MANY_BEFORE = re.compile(
    r"(?:(?<![\w.,:])\d{1,2}|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|dozen|several|many|few|some|both|these|those|all|no|more|other|extra|old|"
    r"new|big|of|with|rolled|throw|threw|triple|double|pocket|crisp|size|sizes|twin|vintage|retired)"
    r"|\b(?:low|lower|high|upper|mid|middle|early|late)|\b(?:[Ii]n|[Ii]nto|[Oo]f|[Bb]y|[Tt]hrough) (?:the|his|her|their|my|your|our|its|the (?:low|mid|high)))[ -]\Z",
    re.IGNORECASE,
)
TIMED_AFTER = re.compile(
    r" (?:timers?|delays?|timeouts?|clips?|ads?|spots?|intervals?|breaks?|windows?|countdowns?|sprints?|exposures?|videos?|"
    r"pauses?|rests?|holds?|planks?|bursts?|sets?|cooldowns?|response|latency)\b"
)
_OF_DECADE = re.compile(
    r" (?:jazz|music|swing|blues|rock|pop|disco|funk|punk|soul|ballads?|hits?|songs?|styles?|films?|movies?|cinema|"
    r"fashions?|cartoons?|comics|nostalgia|retro|sitcoms?|television|glamou?r|decor|architecture)\b"
)
_OTHER_PLURAL = re.compile(r",? (?:and|or|&) \d{1,2}s\b")
_BEHIND_PLURAL = re.compile(r"\ds,? (?:and|or|&) \Z")
_RATED = re.compile(r"\b(?:scored?|rated?|rating|got|gave|graded?|review|is a|was a|solid)(?: it| a| of| at)* \Z")
_IDIOMS = {
    "24/7": "twenty four seven",
    "50/50": "fifty fifty",
    "9/11": "nine eleven",
    "7/11": "seven eleven",
    "24-7": "twenty four seven",
    "20/20": "twenty twenty",
}


def read_ordinal(text: str, start: int) -> tuple[str, int] | None:
    match = _ORDINAL.match(text, start) or _NTH.match(text, start)
    return (ordinal(match["number"].replace(",", "")), match.end()) if match is not None else None


def read_fraction(text: str, start: int) -> tuple[str, int] | None:
    match = _FRACTION.match(text, start)
    if match is None:
        return None
    over, under = match["over"], match["under"]
    head = text[max(0, start - 2) : start]
    if head[-1:] == "/" and head[:1].isdigit():  # more than two numbers
        return f"{_plain_number(over)} slash {_plain_number(under)}", match.end()
    if _EQUALS.match(text, match.end()) and int(over) >= int(under) > 0 and over[0] != "0":
        return f"{cardinal(over)} divided by {cardinal(under)}", match.end()
    if YEAR.fullmatch(over) and len(under) == 2 and int(under) == (int(over) + 1) % 100:
        return f"{year(over)} to {cardinal(under) if under[0] != '0' else year(int(over) + 1)}", match.end()
    if _is_month_of_year(text, start, match):
        return f"{MONTHS[int(over) - 1]} {year(under)}", match.end()
    if match[0] in _IDIOMS and not re.match(r" (?:of|cup|inch|mile)", text[match.end() : match.end() + 6]):
        return _IDIOMS[match[0]], match.end()
    if _PRESSURE.match(text, match.end()) or _PRESSURE_BEFORE.search(text, max(0, start - 24), start):
        unit = read_unit(text, match.end())
        words = f"{cardinal(over)} over {cardinal(under)}"
        return (words, match.end()) if unit is None else (f"{words} {unit.other}", unit.end)
    if over == under in ("5", "10", "100"):
        return f"{cardinal(over)} out of {cardinal(under)}", match.end()
    if under in ("5", "10", "20", "100") and _RATED.search(text, max(0, start - 24), start):
        return f"{cardinal(over)} out of {cardinal(under)}", match.end()
    if match["th"] or (
        1 < int(under) <= 100 and len(under) < 4 and int(over) <= 99 and over[0] != "0" and under[0] != "0"
    ):
        words = fraction(over, under)
        if text[match.end() : match.end() + 1] in ('"', "″") and not is_quoted(text, start):
            return f"{words} inch", match.end() + 1
        unit = read_unit(text, match.end())
        if unit is not None and not unit.is_joined:
            return f"{words} {unit.one if int(over) <= int(under) else unit.other}", unit.end
        return words, match.end()
    if YEAR.fullmatch(over) and YEAR.fullmatch(under):
        return f"{year(over)} slash {year(under)}", match.end()
    return f"{_plain_number(over)} slash {_plain_number(under)}", match.end()


def _is_month_of_year(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether a fraction is a month and its year: "04/2005", "in 4/2005"; "1/2000" by itself is none."""
    over, under = match["over"], match["under"]
    if len(over) > 2 or not 1 <= int(over) <= 12 or not YEAR.fullmatch(under) or int(under) < 1900:
        return False
    if _SHARE_BEHIND.match(text, match.end()):
        return False
    is_after = _IN_MONTH.search(text, max(0, start - 12), start) is not None
    return is_after or over[0] == "0" or (len(over) == 2 and not _COUNTED.match(text, match.end()))


def _plain_number(digits: str) -> str:
    return spelled(digits) if digits[0] == "0" and len(digits) > 1 else cardinal(digits)


def read_ratio(text: str, start: int) -> tuple[str, int] | None:
    match = _RATIO.match(text, start)
    if match is None or (match["joint"] == " : " and not match["b"]):
        return None
    if len(match["a"]) > 3 and YEAR.fullmatch(match["b"]) and not match["c"]:
        return f"{cardinal(match['a'])} {year(match['b'])}", match.end()  # a standard and its edition
    numbers = [match["a"], match["b"], *([match["c"]] if match["c"] else [])]
    head = text[max(0, start - 24) : start]
    joint = " " if len(numbers) == 2 and (_CHAPTER.search(head) or _BOOK.search(head)) else " to "
    last = re.match(r"[-–](\d{1,3})(?![\d:])", text[match.end() : match.end() + 6]) if joint == " " else None
    across = _ACROSS.match(text, match.end()) if joint == " " else None
    if across is not None:
        said = [cardinal(number) for number in (match["a"], match["b"], across[1], across[2])]
        return f"{said[0]} {said[1]} to {said[2]} {said[3]}", across.end()
    if last is not None:
        return f"{cardinal(match['a'])} {cardinal(match['b'])} to {cardinal(last[1])}", match.end() + len(last[0])
    return joint.join(decimal(*([*number.split("."), ""])[:2]) for number in numbers), match.end()


def read_record(text: str, start: int) -> tuple[str, int] | None:
    """Three numbers with dashes between, as of a team: "11–5–1"."""
    match = _RECORD.match(text, start)
    return (" ".join(map(cardinal, match[0].split("–"))), match.end()) if match is not None else None


def read_scale(text: str, start: int) -> tuple[str, int] | None:
    """Numbers in groups with a colon between, as of a map: "1:50,000"."""
    match = _SCALED.match(text, start)
    if match is None or (" " in (match["b"] or "").replace(",", "") and match["a"] != "1"):
        return None
    first, second = match["a"] or match["a2"], match["b"] or match["b2"]
    return f"{cardinal(re.sub(r'[^0-9]', '', first))} to {cardinal(re.sub(r'[^0-9]', '', second))}", match.end()


def read_plural(text: str, start: int) -> tuple[str, int] | None:
    """Numbers that are counted, and no seconds: "two 747s", "the low 60s", "1s and 0s", "100s of them"."""
    match = _PLURAL.match(text, start)
    if match is None:
        return None
    digits, before = match["number"], text[max(0, start - 32) : start]
    if match["of"] and digits in _MANY:
        return f"{_MANY[digits]} of", match.end()
    if TIMED_AFTER.match(text, match.end()) or re.match(
        r" (?:later|earlier|ago)\b", text[match.end() : match.end() + 9]
    ):
        return None
    is_binary = len(digits) == 1 and (_OTHER_PLURAL.match(text, match.end()) or _BEHIND_PLURAL.search(before))
    is_many = _MANY_BEFORE.search(before) is not None
    is_decade = digits in ("20", "30", "40", "50", "60", "70", "80", "90") and _OF_DECADE.match(text, match.end())
    following = text[match.end() : match.end() + 14]
    is_century = digits[1:] == "00" and re.match(r"(?: and \d00s)? (?:BCE?|AD|CE)\b", following) is not None
    if not (is_binary or is_many or is_decade or is_century or (len(digits) in (3, 4) and digits in PLANES)):
        return None
    if len(digits) == 3 and digits[1:] == "00":
        return f"{cardinal(digits[0])} hundreds", match.end()
    return plural(pairs(digits) if len(digits) > 2 else cardinal(digits)), match.end()
