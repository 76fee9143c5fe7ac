"""What begins with a digit, or with a sign before one, in English: the forms of numbers, the most particular first.

Guaranteed: every digit is read. Each rule reads what begins at `start` and says where it ends, or declines with None;
`read_numeric` asks them in order, and the last ones decline nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .dates import clock_time, decade, named_date, numeric_date
from .money import money_behind, money_in_front
from .numbers import MINUSES, SPACE, VULGAR, Number, digits_of, read_number, with_scale
from .numerals import cardinal, decimal, fraction, ordinal, pairs, plural, spelled, year
from .units import read_unit

Found = tuple[str, str, int]

_PHONE = re.compile(
    r"\+\d{1,3}(?:[ .-]?\(\d{1,5}\)\d{0,5})?(?:[ .-]\d{1,8}){1,6}(?![\d])|\+\d{7,15}(?!\d)"
    r"|(?:1[ .-])?\(\d{3}\)[ .-]?\d{3}[ .-]\d{4}(?![\d])"
    r"|(?:1[-.])?\d{3}[-.]\d{3}[-.]\d{4}(?![\d])|(?:1 )?\d{3} \d{3}[ -]\d{4}(?![\d])|1[- ]8\d\d[- ][A-Z]{3,9}\b|\d{3}-\d{4}(?![\d-])"
    r"|\(?0\d{1,5}\)?(?:[ -]\d{2,6}){1,4}(?![\d])|1-8\d\d(?:-\d{2,4}){1,3}(?!\d)"
)
_GROUPS = re.compile(r"\d{4}(?:[ -]\d{4}){2,4}(?!\d)|\d{3}-\d{2}-\d{4}(?!\d)|\d{1,5}(?:-\d{1,7}){3,}(?!\d)")
_VERSION = re.compile(r"\d+(?:\.\d+){2,}(?P<tail>[-.+]?(?:rc|alpha|beta|a|b|post|dev|pre|SNAPSHOT)[-.]?\d*)?(?![\w])")
_ORDINAL = re.compile(r"(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th|ST|ND|RD|TH)(?![A-Za-z])")
_FRACTION = re.compile(r"(?P<over>\d+)(?P<slash>[/⁄]|(?<=24)-(?=7\b))(?P<under>\d+)(?P<th>ths?|rds?|nds?)?(?![\d/])")
_SCALED = re.compile(
    r"(?P<a>\d{1,3}(?:,\d{3})+|\d+) ?: ?(?P<b>[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?: \d{3})+)(?![\d:]|,\d)"
    r"|(?P<a2>\d{1,3}(?:,\d{3})+) ?: ?(?P<b2>\d+)(?![\d:,])"
)
_PRESSURE = re.compile(r" ?mm ?Hg\b")
_PRESSURE_BEFORE = re.compile(r"\b(?:BP|[Bb]lood pressure)(?: (?:is|was|of|at|reads?|measured|to))*:? \Z")
_BASIS = re.compile(
    r"\b(?:rates?|rose|fell|fall|cut|cuts|hiked?|by|up|down|yields?|raised?|widened|narrowed|tightened|gained|lost|added) (?:[a-z]+ )?[+−-]?\Z"
)
_RACE = re.compile(r" (?:relay|race|dash|sprint|hurdles|freestyle|butterfly|final|record|run|track)\b")
_OF_SIZE = re.compile(r"(?:\b[Aa]n?|\b[Tt]he|'s|\bnew) \Z")
_RECORD = re.compile(r"\d{1,3}(?:–\d{1,3}){2}(?![\d–])")
_RATIO = re.compile(r"(?P<a>\d+(?:\.\d+)?)(?P<joint>:| : )(?P<b>\d+(?:\.\d+)?)(?::(?P<c>\d+))?(?![\d:]\d|\d)")
_CHAPTER = re.compile(
    r"(?<!\A)(?<=[\w.,;:] )[A-Z][a-z]+\.? \Z|\A(?:Psalms?|Genesis|Exodus|Matthew|Mark|Luke|John|Acts|Romans|Isaiah|Surah?) \Z"
)
_TIMES = re.compile(
    r"[xX×](?= (?:faster|slower|more|less|bigger|larger|smaller|higher|lower|better|cheaper|longer|the|as|a|per|return|returns|growth|speed|zoom)\b)"
)
_IN_NAME = re.compile(
    r"\b(?:[A-Z][a-z]+|exit|seat|room|gate|class|apartment|row|platform|unit|section|grade|type|form|page|figure|channel|building|block|suite|flat|apt|at|number)\.? \Z"
)
_PLURAL = re.compile(r"(?P<number>\d{1,4})s(?![\w/²'’-])(?P<of> of\b)?")
_MANY = {"10": "tens", "100": "hundreds", "1000": "thousands"}
_MANY_BEFORE = re.compile(
    r"(?:(?<![\w.,:])\d{1,2}|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|dozen|several|many|few|some|both|these|those|all|no|more|other|extra|old|"
    r"new|big|of|with|rolled|throw|threw|triple|double|pocket|crisp|size|sizes|twin|vintage|retired)"
    r"|\b(?:low|lower|high|upper|mid|middle|early|late)|\b(?:[Ii]n|[Ii]nto|[Oo]f|[Bb]y|[Tt]hrough) (?:the|his|her|their|my|your|our|its|the (?:low|mid|high)))[ -]\Z",
    re.IGNORECASE,
)
_TIMED_AFTER = re.compile(
    r" (?:timers?|delays?|timeouts?|clips?|ads?|spots?|intervals?|breaks?|windows?|countdowns?|sprints?|exposures?|videos?|"
    r"pauses?|rests?|holds?|planks?|bursts?|sets?|cooldowns?|response|latency)\b"
)
_OTHER_PLURAL = re.compile(r",? (?:and|or|&) \d{1,2}s\b")
_BEHIND_PLURAL = re.compile(r"\ds,? (?:and|or|&) \Z")
_FEET = re.compile(
    r"(?P<feet>\d+)\s?(?:'|′|ft\.? )\s?(?P<inches>\d+(?:\.\d+)?|\d+ \d/\d|\d*[½¼¾])\s?(?:\"|″|''|′′|in\b\.?)"
)
_INCHES = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s?(?:″|\"(?=[ ,.;)]|\Z))")
_ONLY_FEET = re.compile(
    r"(?P<number>\d+)\s?(?:′|'(?= (?:tall|wide|long|deep|high)\b| [x×] |(?<=[x×] \d')|(?<=[x×] \d\d')))"
)
_DURATION = re.compile(
    r"(?P<h>\d+) ?h(?:rs?)? ?(?P<m>\d{1,2})(?: ?m(?:ins?)?(?: ?(?P<s>\d{1,2}) ?s(?:ecs?)?)?)?(?![\w])"
)
_PER_BARE = re.compile(r" ?/ ?(?P<what>yr|year|mo|month|wk|week|day|hr|hour|person|min|minute|sec|second|night)\b")
_PER_NAMES = {"yr": "year", "mo": "month", "wk": "week", "hr": "hour", "min": "minute", "sec": "second"}
_SIDE = re.compile(r" ?([NSEW])\b(?!\.\w)")
_SIDES = {"N": "north", "S": "south", "E": "east", "W": "west"}
_HEIGHT = re.compile(r"(?P<feet>[3-8])'(?P<inches>1[01]|\d)(?![\d\"'″′s])")
_ANGLE = re.compile(
    r"(?P<d>\d+(?:\.\d+)?)°\s?(?:(?P<m>\d+(?:\.\d+)?)['′]\s?)(?:(?P<s>\d+(?:\.\d+)?)(?:\"|″|'')\s?)?(?P<side>[NSEW]\b)?"
)
_POWER = re.compile(
    r"\^?\s?\(?(?P<sign>[-−⁻+⁺]?)(?P<power>[⁰¹²³⁴⁵⁶⁷⁸⁹]+|(?<=\^)\d+|(?<=\^[-−+])\d+|(?<=\^\([-−+])\d+|(?<=\^\()\d+)\)?"
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺₀₁₂₃₄₅₆₇₈₉", "0123456789-+0123456789")
_EXPONENT = re.compile(r"[eE](?P<sign>[-+−]?)(?P<power>\d{1,3})(?![\w.])")
_SIZE = re.compile(
    rf"{SPACE}?[x×*](?:{SPACE}(?=\d+(?:\.\d+)?{SPACE}?(?:cm|mm|m|ft|in|px|inch|inches|feet|meters)\b)|(?=\.?[\d{VULGAR}]))"
)
_BEHIND = re.compile(r"(?P<letters>[A-Za-z]{1,3}\d*)(?![\w'])")
_TO = re.compile(rf"(?P<joint>{SPACE}?[-–—−~]{SPACE}?|\.\.\.?|…)(?=[\d.$€£{VULGAR}])")
_YEAR_BEFORE = re.compile(
    r"(?:\b(?:in|since|by|from|of|during|until|till|before|after|around|circa|year|years|class|late|early|mid|spring|summer|fall|"
    r"autumn|winter|back|established|est|copyright|between|born|died|dated?|January|February|March|April|May|June|July|August|"
    r"September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|through|c|ca|the|this|AD|CE|edition|model|"
    r"vintage|post|pre|election|olympics)\.?,?|[(©]|\b[12]\d{3},? (?:to|and|or|until|till|through|&))[ -]?\Z",
    re.IGNORECASE,
)
_YEAR = re.compile(r"1[0-9]\d\d|20\d\d")
_COUNTED = re.compile(
    r"[ -](?:more |other |new |old |small |large |big |different |[a-z]+ed )?(?P<noun>[a-z]+(?:s|people|men|women|children|feet|teeth|percent))\b"
)
_NO_NOUNS = frozenset("was is has this his as its perhaps does always unless".split())
_ERA = re.compile(r" ?(?P<era>BCE|BC|CE|AD|B\.C\.E?\.?|A\.D\.|C\.E\.)(?![A-Za-z])")
_ROAD = re.compile(
    r"[A-Z]?(?: (?:[NSEW]\.?|[A-Z][\w'’-]*\.?|\d+(?:st|nd|rd|th))){0,3} (?:St|Ave|Av|Rd|Dr|Blvd|Ln|Ct|Pl|Sq|Ter|Pkwy|Hwy|Cir|Street|"
    r"Avenue|Road|Drive|Boulevard|Lane|Court|Place|Square|Terrace|Parkway|Highway|Way|Crescent|Row|Hill|Gardens|Close|Broadway)\b"
)
_SPELL_AFTER = re.compile(
    r"(?i:\b(?:pin|codes?|zip|extension|ext|dial(?:led|ed|s|ling|ing)?|call(?:ed|s|ing)?|text(?:ed)?|press|phone[ds]?|rang|ring|answers? on|answered on|agent|password|passcode|combination|serial|account|tracking|"
    r"reference|pincode|postcode|id|license|plate|isbn|hotline)(?:\.|:| is| no\.?| number| #)?:? #?)\Z|, [A-Z]{2} \Z"
)
_CALL_BEHIND = re.compile(r" (?:calls?|operators?|dispatch(?:ers?)?|hotline|helpline)\b(?! (?:were|from \d))")
_PAIR_AFTER = re.compile(
    r"\b(?:flight|room|rooms|bus|route|highway|interstate|suite|apartment|apt|unit|gate|train|channel|boeing|airbus|line|a|order|invoice|ticket|ste)\.? #?\Z",
    re.IGNORECASE,
)
_PLANES = frozenset("707 717 727 737 747 757 767 777 787 911 380 320 330 350".split())
_PLANE_BEHIND = re.compile(r" (?:MAX|Max|Dreamliner|neo|jets?|planes?|aircraft|airliners?|pilots?|crash|landed)\b")
_RATED = re.compile(r"\b(?:scored?|rated?|rating|got|gave|graded?|review|is a|was a|solid)(?: it| a| of| at)* \Z")
_RATED_DECIMAL = re.compile(r"/(?P<of>5|10|20|100)(?![\d/.]\d|\d)")
_EURO = re.compile(r" ?(?:€|EUR\b|kr\b|zł|Kč)")
_BARE_COMMA = re.compile(r"(?P<whole>\d{1,3}),(?P<part>\d{1,2})(?![\d]|,\d)")
_IDIOMS = {
    "24/7": "twenty four seven",
    "50/50": "fifty fifty",
    "9/11": "nine eleven",
    "7/11": "seven eleven",
    "24-7": "twenty four seven",
    "20/20": "twenty twenty",
}
_SIGNS = {
    "+": "plus",
    "±": "plus or minus",
    "~": "about",
    "∼": "about",
    "≈": "approximately",
    "−": "minus",
    "-": "minus",
    "–": "minus",
}
_NOUN = re.compile(r" (?!of\b|or\b|and\b|to\b|in\b|at\b|on\b|is\b|was\b|a\b|per\b|for\b|from\b|by\b|with\b)[a-z]{2,}")
_SIGNED = re.compile(rf"(?P<sign>[-−–+±~∼≈]|\+/-|\+-)(?P<gap>{SPACE}?)(?=[$€£¥₹]?\.?[\d{VULGAR}])")


def read_numeric(text: str, start: int, *, is_day_first: bool) -> Found | None:
    """What stands at `start`, with its kind, its words and its end; None where no number does."""
    if text[start] in "-−–+±~∼≈":
        return _signed(text, start, is_day_first=is_day_first)
    found = _phone(text, start)
    if found is not None:
        return found
    dated = numeric_date(text, start, is_day_first=is_day_first)
    if dated is not None:
        return "date", *dated
    for kind, rule in _RULES:
        read = rule(text, start)
        if read is not None:
            return kind, *read
    return _quantity(text, start)


def _signed(text: str, start: int, *, is_day_first: bool) -> Found | None:
    """A number with a sign before it; a hyphen behind a word or number is no sign."""
    if text[start] == "+":
        match = _PHONE.match(text, start)
        if match is not None:
            return "phone", f"plus {_phone_words(match[0][1:])}", match.end()
    match = _SIGNED.match(text, start)
    if match is None or (start and (text[start - 1].isalnum() or text[start - 1] in ".,)%")):
        return None
    sign = match["sign"]
    if match["gap"] and (sign in "-–" or (sign in "≈∼−+" and start)):
        return None
    amount = money_in_front(text, start)
    if amount is not None:
        return "money", amount.words, amount.end
    rest = read_numeric(text, match.end(), is_day_first=is_day_first)
    if rest is None:
        return None
    word = "plus or minus" if sign in ("+/-", "+-") else _SIGNS[sign]
    return rest[0], f"{word} {rest[1]}", rest[2]


def _phone(text: str, start: int) -> Found | None:
    match = _PHONE.match(text, start)
    if match is not None and not (start and text[start - 1] in "$€£"):
        found = match[0]
        digits = re.sub(r"\D", "", found)
        if re.fullmatch(r"\d{3}-\d{4}", found) and found[4:6] in ("19", "20") and found[:2] == "19":
            return None
        if 7 <= len(digits) <= 15 or re.search("[A-Z]", found):
            return "phone", _phone_words(found), match.end()
    match = _GROUPS.match(text, start)
    if match is None and text[start] == "0" and re.match(r"0\d{6,14}(?!\d)", text[start : start + 16]):
        match = re.compile(r"\d+").match(text, start)
    return ("digits", digits_of(match[0]), match.end()) if match is not None else None


def _phone_words(found: str) -> str:
    groups = re.findall(r"\d+|[A-Z]+", found)
    return ", ".join(spelled(group) if group.isdigit() else group.lower() for group in groups)


def _version(text: str, start: int) -> tuple[str, int] | None:
    match = _VERSION.match(text, start)
    if match is None:
        return None
    if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+", match[0]) and re.match(
        r" ?(?:€|EUR|kr|people)", text[match.end() : match.end() + 8]
    ):
        return None
    tail = match["tail"] or ""
    numbers = match[0][: len(match[0]) - len(tail)].split(".")
    words = " point ".join(
        cardinal(number) if number[0] != "0" or number == "0" else spelled(number) for number in numbers
    )
    for piece in re.findall(r"[A-Za-z]+|\d+", tail):
        words += f" {cardinal(piece) if piece.isdigit() else piece if len(piece) > 3 else ' '.join(piece.upper())}"
    return words, match.end()


def _ordinal(text: str, start: int) -> tuple[str, int] | None:
    match = _ORDINAL.match(text, start)
    return (ordinal(match["number"].replace(",", "")), match.end()) if match is not None else None


def _fraction(text: str, start: int) -> tuple[str, int] | None:
    match = _FRACTION.match(text, start)
    if match is None:
        return None
    over, under = match["over"], match["under"]
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
        if text[match.end() : match.end() + 1] in ('"', "″") and not _is_quoted(text, start):
            return f"{words} inch", match.end() + 1
        unit = read_unit(text, match.end())
        if unit is not None and not unit.is_joined:
            return f"{words} {unit.one if int(over) <= int(under) else unit.other}", unit.end
        return words, match.end()
    if _YEAR.fullmatch(over) and _YEAR.fullmatch(under):
        return f"{year(over)} slash {year(under)}", match.end()
    return f"{_plain_number(over)} slash {_plain_number(under)}", match.end()


def _plain_number(digits: str) -> str:
    return spelled(digits) if digits[0] == "0" and len(digits) > 1 else cardinal(digits)


def _ratio(text: str, start: int) -> tuple[str, int] | None:
    match = _RATIO.match(text, start)
    if match is None or (match["joint"] == " : " and not match["b"]):
        return None
    if len(match["a"]) > 3 and _YEAR.fullmatch(match["b"]) and not match["c"]:
        return f"{cardinal(match['a'])} {year(match['b'])}", match.end()  # a standard and its edition
    numbers = [match["a"], match["b"], *([match["c"]] if match["c"] else [])]
    joint = " " if len(numbers) == 2 and _CHAPTER.search(text, max(0, start - 24), start) else " to "
    last = re.match(r"[-–](\d{1,3})(?![\d:])", text[match.end() : match.end() + 6]) if joint == " " else None
    if last is not None:
        return f"{cardinal(match['a'])} {cardinal(match['b'])} to {cardinal(last[1])}", match.end() + len(last[0])
    return joint.join(decimal(*([*number.split("."), ""])[:2]) for number in numbers), match.end()


def _record(text: str, start: int) -> tuple[str, int] | None:
    """Three numbers with dashes between, as of a team: "11–5–1"."""
    match = _RECORD.match(text, start)
    return (" ".join(map(cardinal, match[0].split("–"))), match.end()) if match is not None else None


def _scale(text: str, start: int) -> tuple[str, int] | None:
    """Numbers in groups with a colon between, as of a map: "1:50,000"."""
    match = _SCALED.match(text, start)
    if match is None or (" " in (match["b"] or "").replace(",", "") and match["a"] != "1"):
        return None
    first, second = match["a"] or match["a2"], match["b"] or match["b2"]
    return f"{cardinal(re.sub(r'[^0-9]', '', first))} to {cardinal(re.sub(r'[^0-9]', '', second))}", match.end()


def _plural(text: str, start: int) -> tuple[str, int] | None:
    """Numbers that are counted, and no seconds: "two 747s", "the low 60s", "1s and 0s", "100s of them"."""
    match = _PLURAL.match(text, start)
    if match is None:
        return None
    digits, before = match["number"], text[max(0, start - 32) : start]
    if match["of"] and digits in _MANY:
        return f"{_MANY[digits]} of", match.end()
    if _TIMED_AFTER.match(text, match.end()) or re.match(
        r" (?:later|earlier|ago)\b", text[match.end() : match.end() + 9]
    ):
        return None
    is_binary = len(digits) == 1 and (_OTHER_PLURAL.match(text, match.end()) or _BEHIND_PLURAL.search(before))
    is_many = _MANY_BEFORE.search(before) is not None
    following = text[match.end() : match.end() + 14]
    is_century = digits[1:] == "00" and re.match(r"(?: and \d00s)? (?:BCE?|AD|CE)\b", following) is not None
    if not (is_binary or is_many or is_century or (len(digits) in (3, 4) and digits in _PLANES)):
        return None
    if len(digits) == 3 and digits[1:] == "00":
        return f"{cardinal(digits[0])} hundreds", match.end()
    return plural(pairs(digits) if len(digits) > 2 else cardinal(digits)), match.end()


def _feet(text: str, start: int) -> tuple[str, int] | None:
    match = _FEET.match(text, start)
    if match is not None:
        inches = read_number(text, match.start("inches"))
        if inches is None:
            return None
        feet = "foot" if match["feet"] == "1" else "feet"
        end = match.end() - (
            text[match.end() - 1] == "."
            and re.match(r"\s*\Z|\s+[A-Z]", text[match.end() : match.end() + 3]) is not None
        )
        return f"{cardinal(match['feet'])} {feet} {inches.words} {'inch' if inches.is_one else 'inches'}", end
    match = _HEIGHT.match(text, start)
    if match is not None:
        return f"{cardinal(match['feet'])} foot {cardinal(match['inches'])}", match.end()
    match = _ANGLE.match(text, start)
    if match is not None:
        parts = ((match["d"], "degree"), (match["m"], "minute"), (match["s"], "second"))
        words = " ".join(
            f"{decimal(*([*n.split('.'), ''])[:2])} {name}{'' if n == '1' else 's'}" for n, name in parts if n
        )
        sides = {"N": " north", "S": " south", "E": " east", "W": " west", None: ""}
        return words + sides[match["side"]], match.end()
    match = _INCHES.match(text, start)
    if match is not None and ("″" in match[0] or not _is_quoted(text, start)):
        is_size = _OF_SIZE.search(text, max(0, start - 5), start) and re.match(r" [A-Za-z]", text[match.end() :][:2])
        name = "inch" if match["number"] == "1" or is_size else "inches"
        return f"{decimal(*([*match['number'].split('.'), ''])[:2])} {name}", match.end()
    match = _ONLY_FEET.match(text, start)
    if match is not None:
        return f"{cardinal(match['number'])} feet", match.end()
    return None


def _is_quoted(text: str, start: int) -> bool:
    """Whether a quotation is open, so that a mark behind a number ends it."""
    head = text[max(0, start - 400) : start]
    return len(re.findall(r'(?:^|[\s(])"', head)) > len(re.findall(r'(?<=[^\W\d]|[.,!?])"', head))


def _duration(text: str, start: int) -> tuple[str, int] | None:
    """Hours, minutes and seconds run together: "2h 30m", "1h45", "5m 30s"."""
    match = _DURATION.match(text, start)
    if match is None:
        return None
    hours, minutes, seconds = match["h"], match["m"], match["s"]
    if re.fullmatch(r"\d{1,2}h\d\d", match[0]) and re.search(
        r"\b(?:at|by|until|till|before|after|from) \Z", text[max(0, start - 8) : start]
    ):
        return f"{cardinal(hours)} {cardinal(minutes)}", match.end()
    parts = ((hours, "hour"), (minutes, "minute"), (seconds, "second"))
    return " ".join(f"{cardinal(n)} {name}{'' if int(n) == 1 else 's'}" for n, name in parts if n), match.end()


def _quantity(text: str, start: int) -> Found | None:
    """A number with what belongs to it: a scale, a unit, a currency, an exponent, a second number."""
    number = read_number(text, start)
    if number is None:
        return None
    european = read_number(text, start, is_european=True)
    if european is not None and (
        european.end > number.end or (european.words != number.words and _EURO.match(text, number.end))
    ):
        kind = _european_kind(text, european)
        if kind is not None:
            return kind
    comma = _BARE_COMMA.match(text, start)
    if comma is not None and not (start and text[start - 1] == ","):
        return "number", decimal(comma["whole"], comma["part"]), comma.end()
    rated = _RATED_DECIMAL.match(text, number.end)
    if rated is not None and number.part:
        return "rating", f"{number.words} out of {cardinal(rated['of'])}", rated.end()
    if number.is_plain:
        found = _digits_only(text, start, number)
        if found is not None:
            return found
    ranged = _range(text, start, number)
    if ranged is not None:
        return ranged
    return _measured(text, start, number)


def _european_kind(text: str, number: Number) -> Found | None:
    """A number with a decimal comma, where a unit or a currency behind it proves it."""
    paid = money_behind(text, number, number.end)
    if paid is not None:
        return "money", paid.words, paid.end
    unit = read_unit(text, number.end)
    if unit is not None:
        return "unit", f"{number.words} {unit.words(is_one=number.is_one)}", unit.end
    return None


def _measured(text: str, start: int, number: Number) -> Found:
    """The number with its scale, power, currency and unit."""
    power = _power(text, number)
    if power is not None:
        unit = read_unit(text, power[2])
        return power if unit is None else ("unit", f"{power[1]} {unit.other}", unit.end)
    scaled = with_scale(text, number)
    paid = money_behind(text, scaled, number.end)
    if paid is not None:
        return "money", paid.words, paid.end
    if scaled is number:
        size = _size(text, number)
        if size is not None:
            return size
    times = _TIMES.match(text, scaled.end)
    if times is not None:
        return "size", f"{scaled.words} times", times.end()
    unit = read_unit(text, scaled.end)
    if (
        unit is not None
        and unit.end == number.end + 1
        and text[number.end].isupper()
        and _IN_NAME.search(text, max(0, start - 16), start)
    ):
        unit = None
    if unit is not None and not (number.whole in ("3", "4", "5") and text[number.end : unit.end] in ("G", "D", "K")):
        is_timed = unit.one == "second" and _TIMED_AFTER.match(text, unit.end) is not None
        is_timed = is_timed or (unit.one == "meter" and _RACE.match(text, unit.end) is not None)
        is_one = scaled.is_one or is_timed or _qualifies(text, start, unit.end)
        words = f"{scaled.words} {unit.words(is_one=is_one)}"
        if text[scaled.end : unit.end].strip() == "bps" and _BASIS.search(text, max(0, start - 16), start):
            words = f"{scaled.words} basis {'point' if is_one else 'points'}"
        side = _SIDE.match(text, unit.end) if unit.one == "degree" else None
        return ("unit", words, unit.end) if side is None else ("unit", f"{words} {_SIDES[side[1]]}", side.end())
    per = _PER_BARE.match(text, scaled.end)
    if per is not None:
        return "rate", f"{scaled.words} per {_PER_NAMES.get(per['what'], per['what'])}", per.end()
    if scaled is not number:
        return "number", scaled.words, scaled.end
    behind = _BEHIND.match(text, number.end)
    if behind is not None:
        return "code", _with_letters(number, behind["letters"]), behind.end()
    factorial = re.match(r"!(?= ?(?:[=+*/×÷-]|is\b))", text[number.end : number.end + 4])
    if factorial is not None:
        return "maths", f"{number.words} factorial", number.end + 1
    return "number", number.words, number.end


def _qualifies(text: str, start: int, end: int) -> bool:
    """Whether a quantity stands before what it qualifies, as in "a 5 ft wall"."""
    before = text[max(0, start - 3) : start].lower()
    return before in ("a ", " a ", "an ") and _NOUN.match(text, end) is not None


def _with_letters(number: Number, letters: str) -> str:
    head = pairs(number.whole) if number.is_plain and len(number.whole) > 2 else number.words
    if letters.isdigit():
        return f"{head} {cardinal(letters)}"
    pieces = re.findall(r"[A-Za-z]|\d+", letters)
    return " ".join([head, *(piece.upper() if piece.isalpha() else cardinal(piece) for piece in pieces)])


def _power(text: str, number: Number) -> Found | None:
    match = _POWER.match(text, number.end)
    if match is not None and match["power"] and not (text[number.end] not in "^⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"):
        return "maths", f"{number.words} {power_words(match['sign'], match['power'])}", match.end()
    match = _EXPONENT.match(text, number.end)
    if match is not None and (match["sign"] or number.part or "E" not in match[0]):
        sign = "minus " if match["sign"] in ("-", "−") and match["sign"] else ""
        return "maths", f"{number.words} times ten to the {sign}{cardinal(match['power'])}", match.end()
    return None


def power_words(sign: str, digits: str) -> str:
    """An exponent: "squared", "cubed", "to the power of eight"."""
    digits = digits.translate(_SUPERSCRIPTS)
    is_negative = sign in ("-", "−", "⁻") and bool(sign)
    if not is_negative and digits in ("2", "3"):
        return "squared" if digits == "2" else "cubed"
    return f"to the power of {'minus ' if is_negative else ''}{cardinal(digits)}"


def _size(text: str, number: Number) -> Found | None:
    """Numbers with a cross between them and no space: "4x4", "1920×1080"; a product where a power follows."""
    match = _SIZE.match(text, number.end)
    if match is None:
        return None
    second = read_number(text, match.end())
    if second is None or (_POWER.match(text, second.end) and text[second.end : second.end + 1] in "^⁰¹²³⁴⁵⁶⁷⁸⁹⁻"):
        return None
    if "*" in match[0] or (match[0].strip() == "×" and number.part):
        return None
    rest = _measured(text, match.end(), second)
    return "size", f"{number.words} by {rest[1]}", rest[2]


def _range(text: str, start: int, number: Number) -> Found | None:
    """Two numbers with a dash between: years, scores, quantities of one unit."""
    left_end = number.end
    left_words = number.words
    unit = read_unit(text, number.end)
    if unit is not None and _TO.match(text, unit.end):
        left_end, left_words = unit.end, f"{number.words} {unit.words(is_one=number.is_one)}"
    else:
        scaled = with_scale(text, number)
        if scaled is not number and _TO.match(text, scaled.end):
            left_end, left_words = scaled.end, scaled.words
    match = _TO.match(text, left_end)
    if match is None:
        return None
    joint, position = match["joint"], match.end()
    minus = text[position] in MINUSES
    second = read_number(text, position + minus, is_european=False)
    if second is None:
        return None
    if joint.strip() in ("-", "−") and _is_sum(text, start, second.end, is_spaced=joint != joint.strip()):
        return None
    if joint == "-" and re.match(r"-\d", text[second.end : second.end + 2]):
        return "digits", *_dashed(text, start)
    if number.is_plain and second.is_plain and _YEAR.fullmatch(number.whole) and len(second.whole) in (2, 4):
        if len(second.whole) == 4 and _YEAR.fullmatch(second.whole):
            return "year", f"{year(number.whole)} to {year(second.whole)}", second.end
        if len(second.whole) == 2 and int(second.whole) > int(number.whole[2:]) and read_unit(text, second.end) is None:
            words = f"oh {cardinal(second.whole[1])}" if second.whole[0] == "0" else cardinal(second.whole)
            return "year", f"{year(number.whole)} to {words}", second.end
    rest = _measured(text, position, second)
    return "range", f"{left_words} to {'minus ' if minus else ''}{rest[1]}", rest[2]


def _is_sum(text: str, start: int, end: int, *, is_spaced: bool) -> bool:
    """Whether numbers with a hyphen between are a difference: another sign of arithmetic stands beside them."""
    if not is_spaced:
        return re.match(r" ?=", text[end : end + 2]) is not None
    return (
        re.match(r"\s*[=+×÷*/<>]|\s+[-−]\s", text[end : end + 4]) is not None
        or re.search(r"[=+×÷*/]\s*\Z", text[max(0, start - 3) : start]) is not None
    )


def _dashed(text: str, start: int) -> tuple[str, int]:
    match = re.compile(r"\d+(?:-\d+)+").match(text, start)
    assert match is not None
    return digits_of(match[0]), match.end()


def _digits_only(text: str, start: int, number: Number) -> Found | None:
    """Digits and nothing else that are no plain cardinal: years, house numbers, codes."""
    digits, end = number.whole, number.end
    era = _ERA.match(text, end)
    if era is not None:
        letters = " ".join(re.sub(r"[^A-Z]", "", era["era"]))
        stop = "." if era["era"].endswith(".") and re.match(r"\s*\Z|\s+[A-Z]", text[era.end() : era.end() + 3]) else ""
        return "year", f"{cardinal(digits) if len(digits) < 4 else year(digits)} {letters}{stop}", era.end()
    before = text[max(0, start - 24) : start]
    has_more = text[end : end + 1] in "-–—~/:^%°²³!" and text[end + 1 : end + 2].isdigit()
    if digits[0] == "0" and len(digits) > 1:
        return "code", spelled(digits), end
    if len(digits) > 12:
        return "digits", spelled(digits), end
    if has_more or (text[end : end + 1].isalpha() and not re.match(r"[A-Z](?= [A-Z])", text[end : end + 3])):
        return None
    if len(digits) in (3, 5, 6) and _CALL_BEHIND.match(text, end):
        return "code", spelled(digits), end
    if len(digits) > 2 and _SPELL_AFTER.search(before) and not read_unit(text, end) and not _is_counted(text, end):
        return "code", spelled(digits), end
    if len(digits) > 4 and before.endswith("#"):
        return "code", spelled(digits), end
    if (
        digits in _PLANES
        and (_PAIR_AFTER.search(before) or _PLANE_BEHIND.match(text, end))
        and _COUNTED.match(text, end) is None
    ):
        return "code", pairs(digits), end
    if len(digits) in (3, 4):
        road = _ROAD.match(text, end)
        if road is not None:
            letter = f" {text[end]}" if text[end : end + 1].isupper() else ""
            return "address", pairs(digits) + letter, end + bool(letter)
        if re.search(
            r"(?:#|\b(?:flight|room|suite|bus|invoice|order|highway|route|ste|apt|P\.?O\.? box)\.? #?)\Z",
            before,
            re.IGNORECASE,
        ):
            return "code", pairs(digits), end
    if _YEAR.fullmatch(digits) and _is_year(text, before, digits, end):
        return "year", year(digits), end
    return None


def _is_counted(text: str, end: int) -> bool:
    """Whether a noun in the plural follows a number."""
    counted = _COUNTED.match(text, end)
    return counted is not None and counted["noun"] not in _NO_NOUNS


def _is_year(text: str, before: str, digits: str, end: int) -> bool:
    if _is_counted(text, end):
        return False
    if (
        read_unit(text, end) is not None
        or with_scale(text, Number("", end)).end != end
        or money_behind(text, Number("", end), end)
    ):
        return False
    if _YEAR_BEFORE.search(before) is not None:
        return True
    return 1900 <= int(digits) <= 2099


_RULES: tuple[tuple[str, Callable[[str, int], tuple[str, int] | None]], ...] = (
    ("version", _version),
    ("ratio", _scale),
    ("score", _record),
    ("time", clock_time),
    ("duration", _duration),
    ("unit", _feet),
    ("ratio", _ratio),
    ("date", named_date),
    ("fraction", _fraction),
    ("number", _plural),
    ("year", decade),
    ("ordinal", _ordinal),
)
