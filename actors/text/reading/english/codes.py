"""Digits that are no quantity: telephone numbers, versions, years, house numbers, codes. Each rule declines with None."""

from __future__ import annotations

import re

from .money import money_behind
from .numbers import YEAR, Found, Number, digits_of, with_scale
from .numerals import cardinal, pairs, spelled, year
from .units import read_unit

PHONE = re.compile(
    r"\+\d{1,3}(?:[ .-]?\(\d{1,5}\)\d{0,5})?(?:[ .-]\d{1,8}){1,6}(?![\d])|\+\d{7,15}(?!\d)"
    r"|(?:1[ .-])?\(\d{3}\)[ .-]?\d{3}[ .-]\d{4}(?![\d])"
    r"|(?:1[-.])?\d{3}[-.]\d{3}[-.]\d{4}(?![\d])|(?:1 )?\d{3} \d{3}[ -]\d{4}(?![\d])|1[- ]8\d\d[- ][A-Z]{3,9}\b|\d{3}-\d{4}(?![\d-])"
    r"|\(?0\d{1,5}\)?(?:[ -]\d{2,6}){1,4}(?![\d])|1-8\d\d(?:-\d{2,4}){1,3}(?!\d)"
)
_GROUPS = re.compile(r"\d{4}(?:[ -]\d{4}){2,4}(?!\d)|\d{3}-\d{2}-\d{4}(?!\d)|\d{1,5}(?:-\d{1,7}){3,}(?!\d)")
_VERSION = re.compile(r"\d+(?:\.\d+){2,}(?P<tail>[-.+]?(?:rc|alpha|beta|a|b|post|dev|pre|SNAPSHOT)[-.]?\d*)?(?![\w])")
_YEAR_BEFORE = re.compile(
    r"(?:\b(?:in|since|by|from|of|during|until|till|before|after|around|circa|year|years|class|late|early|mid|spring|summer|fall|"
    r"autumn|winter|back|established|est|copyright|between|born|died|dated?|January|February|March|April|May|June|July|August|"
    r"September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|through|c|ca|the|this|AD|CE|edition|model|"
    r"vintage|post|pre|election|olympics)\.?,?|[(©]|\b[12]\d{3},? (?:to|and|or|until|till|through|&))[ -]?\Z",
    re.IGNORECASE,
)
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
    r"(?i:\b(?:pmid|issn|text(?:ed)? (?-i:[A-Z][A-Z0-9]{0,11}) to|pin|codes?|zip|extension|ext|dial(?:led|ed|s|ling|ing)?|call(?:ed|s|ing)?|text(?:ed)?|press|phone[ds]?|rang|ring|answers? on|answered on|agent|password|passcode|combination|serial|account|tracking|"
    r"reference|pincode|postcode|id|license|plate|isbn|hotline)(?:\.|:| is| no\.?| number| #)?:? #?)\Z|, [A-Z]{2} \Z"
)
_CALL_BEHIND = re.compile(r" (?:calls?|operators?|dispatch(?:ers?)?|hotline|helpline)\b(?! (?:were|from \d))")
_PAIR_AFTER = re.compile(
    r"\b(?:flight|room|rooms|bus|route|highway|interstate|suite|apartment|apt|unit|gate|train|channel|boeing|airbus|line|a|order|invoice|ticket|ste)\.? #?\Z",
    re.IGNORECASE,
)
PLANES = frozenset("707 717 727 737 747 757 767 777 787 911 380 320 330 350".split())
_PLANE_BEHIND = re.compile(r" (?:MAX|Max|Dreamliner|neo|jets?|planes?|aircraft|airliners?|pilots?|crash|landed)\b")


def read_phone(text: str, start: int) -> Found | None:
    match = PHONE.match(text, start)
    if match is not None and not (start and text[start - 1] in "$€£"):
        found = match[0]
        digits = re.sub(r"\D", "", found)
        if re.fullmatch(r"\d{3}-\d{4}", found) and found[4:6] in ("19", "20") and found[:2] == "19":
            return None
        if 7 <= len(digits) <= 15 or re.search("[A-Z]", found):
            return "phone", phone_words(found), match.end()
    match = _GROUPS.match(text, start)
    if match is None and text[start] == "0" and re.match(r"0\d{6,14}(?!\d)", text[start : start + 16]):
        match = re.compile(r"\d+").match(text, start)
    return ("digits", digits_of(match[0]), match.end()) if match is not None else None


def phone_words(found: str) -> str:
    groups = re.findall(r"\d+|[A-Z]+", found)
    return ", ".join(spelled(group) if group.isdigit() else group.lower() for group in groups)


def read_version(text: str, start: int) -> tuple[str, int] | None:
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


def read_digits(text: str, start: int, number: Number) -> Found | None:
    """Digits and nothing else that are no plain cardinal: years, house numbers, codes."""
    digits, end = number.whole, number.end
    era = _ERA.match(text, end)
    if era is not None:
        letters = " ".join(re.sub(r"[^A-Z]", "", era["era"]))
        stop = "." if era["era"].endswith(".") and re.match(r"\s*\Z|\s+[A-Z]", text[era.end() : era.end() + 3]) else ""
        return "year", f"{cardinal(digits) if len(digits) < 4 else year(digits)} {letters}{stop}", era.end()
    before = text[max(0, start - 24) : start]
    has_more = text[end : end + 1] in "-–—~/:^%°²³!×" and text[end + 1 : end + 2].isdigit()
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
        digits in PLANES
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
    if YEAR.fullmatch(digits) and _is_year(text, before, digits, end):
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
