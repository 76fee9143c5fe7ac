"""English dates, times and years, by their forms; which of day and month comes first follows the locale where both may.

Guaranteed: what is no date of a calendar, such as 32/13/2024, is left to other readings.
"""

from __future__ import annotations

import re

from .numerals import cardinal, ordinal, plural, spelled, year
from .standards import offset_words

MONTHS = ("January February March April May June July August September October November December").split()
_SHORT = {name[:3]: name for name in MONTHS} | {"Sept": "September", "Febr": "February"}
_MONTH_OF = {
    form: full for name, full in [*zip(MONTHS, MONTHS, strict=True), *_SHORT.items()] for form in (name, name.upper())
}
MONTH_WORDS = frozenset(_MONTH_OF)
DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Weds": "Wednesday", "Thu": "Thursday",
    "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_NAMES = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
MONTH = rf"(?P<month>{_NAMES})\b\.?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?P<suffix>st|nd|rd|th)?"
_YEAR = r"(?P<year>[12]\d{3}|'\d\d)(?![\d,.]\d|\d|[-–]\d)"
_TO_DAY = r"(?:(?P<to> ?(?:-|–|—|/|to|and|&) ?)(?P<last>[12]\d|3[01]|0?[1-9])(?P<last_suffix>st|nd|rd|th)?)?"

_MONTH_FIRST = re.compile(
    rf"{MONTH} (?:the )?{_DAY}{_TO_DAY}(?![\d:/%]|[.,]\d|[-–]\d| (?:million|billion|percent|a\.?m|p\.?m)\b)(?:,? {_YEAR})?"
)
_DAY_FIRST = re.compile(
    rf"{_DAY}{_TO_DAY}(?:[ -]|\. (?=[A-Z][a-z]{{2,8}} [12]\d{{3}}))(?:of )?{MONTH}(?:,?[ -]{_YEAR})?"
)
_MONTH_YEAR = re.compile(rf"{MONTH},? {_YEAR}")
_ISO = re.compile(
    r"(?P<year>[12]\d{3})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})(?![\d]|[-/.]\d)(?:(?:T| (?=\d\d:\d\d))(?P<time>[0-2]\d:[0-5]\d(?::[0-5]\d)?)(?:\.\d{1,9})?(?:(?P<zone>Z)|(?P<sign>[-+−])(?P<hours>[01]\d):?(?P<minutes>[0-5]\d))?(?![\d:]| ?[AaPp]\.?[Mm]\b))?"
)
_NUMERIC = re.compile(r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<year>\d{4}|\d{2})(?![\d]|[-/.]\d)")
_MONTH_DAY = re.compile(
    r"(?P<a>0?[1-9]|[12]\d|3[01])/(?P<b>0?[1-9]|[12]\d|3[01])(?![\d/])(?=\s*\Z|[.,;:!?)]|(?: (?:at|from|to|for|in|and|with|we|the|he|she|they|you|I)\b))"
)
_ON = re.compile(r"\b(?:[Oo]n|[Dd]ue|[Ss]ince) \Z")
_TIME = re.compile(
    r"(?P<hour>2[0-4]|[01]?\d)(?:[:.](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.(?P<part>\d+))?)?)?"
    r"(?P<half>[ \u00a0\u202f]?(?:[aApP]\.[mM]\.?|[aApP][mM])(?![A-Za-z]))?"
    r"(?P<zone> (?:E[SD]?T|C[SD]T|M[SD]T|P[SD]?T|GMT|UTC|BST|CES?T|IST|JST|AES?T|Z)\b)?"
)
_ZONES = {"Z": "Z", "EST": "E S T", "EDT": "E D T", "ET": "E T", "PT": "P T", "UTC": "U T C"}
_STOP = re.compile(r"[\"'”’)\]]*(?:\s*\Z|\s+[\"'“‘(\[]*[A-Z][a-z])")
_MONTH_NUMBER = re.compile(r"(?P<month>0[1-9]|1[0-2](?!-(?:19|20)00))-(?P<year>(?:19|20)\d\d)(?![\d-]|[.,:]\d)")
_CLOCK = re.compile(r"(?P<hour>[01]\d|2[0-4])(?P<minute>[0-5]\d)(?= ?(?:hours|hrs|h)\b)")
_RANGE = re.compile(r" ?[-–—] ?")
_DECADE = re.compile(r"(?P<apostrophe>['’])?(?P<number>[12]\d\d0|[1-9]0|(?<=['’])00)['’]?s(?!\w)")
_SHORT_YEAR = re.compile(r"['’](?P<number>\d\d)(?![\w'’]|[.,]\d)")


def _day(digits: str) -> str:
    return ordinal(digits.lstrip("0"))


def _year_words(digits: str) -> str:
    if digits.startswith("'"):
        value = digits[1:]
        return f"oh {cardinal(value[1])}" if value[0] == "0" else cardinal(value)
    return year(digits)


def named_date(text: str, start: int) -> tuple[str, int] | None:
    """A date with its month by name, that begins at `start`: "May 4, 1990", "5 May", "12-15 June", "March 2020"."""
    if text[start].isdigit():
        match = _DAY_FIRST.match(text, start)
        if match is None or not _is_month(text, match):
            return _month_of_year(text, start)
        words, end = _told(text, match, is_day_first=True)
        joint = _RANGE.match(text, end)
        again = _DAY_FIRST.match(text, joint.end()) if joint is not None and not match["year"] else None
        if again is None or not _is_month(text, again):
            return words, end
        last, end = _told(text, again, is_day_first=True)
        return f"{words} to {last}", end
    match = _MONTH_FIRST.match(text, start)
    if match is not None and _is_month(text, match) and not (_counts(text, match) or match["month"].islower()):
        return _told(text, match, is_day_first=False)
    match = _MONTH_YEAR.match(text, start)
    if match is not None and _is_month(text, match):
        return f"{_MONTH_OF[match['month']]} {_year_words(match['year'])}", match.end()
    return None


def _month_of_year(text: str, start: int) -> tuple[str, int] | None:
    """A month by its number and a year: "04-2005"."""
    match = _MONTH_NUMBER.match(text, start)
    return (f"{MONTHS[int(match['month']) - 1]} {year(match['year'])}", match.end()) if match is not None else None


def _is_month(text: str, match: re.Match[str]) -> bool:
    """Whether the name is one: "Mar 5", but no word that only begins like it."""
    return not (match.end("month") < len(text) and text[match.end("month")].isalpha())


def _counts(text: str, match: re.Match[str]) -> bool:
    """Whether the number behind a month counts what follows, as in "in March 12 riders came"."""
    if match["suffix"] or match["year"] or match["last"]:
        return False
    following = re.match(r" ([a-z]+)", text[match.end() : match.end() + 24])
    if following is None or following[1] in _AFTER_DATE or not match[0][-1].isdigit():
        return False
    return following[1].endswith(("s", "people", "men", "women", "children"))


_AFTER_DATE = frozenset("was is has its this was's as perhaps does always".split())


def _told(text: str, match: re.Match[str], *, is_day_first: bool) -> tuple[str, int]:
    month = _MONTH_OF[match["month"]]
    day = _day(match["day"])
    if match["last"]:
        joint = "and" if "and" in match["to"] or "&" in match["to"] else "to"
        day = f"{day} {joint} {_day(match['last'])}"
    end = match.end()
    if match["year"] is None and text[end - 1] == "." and text[match.end("month")] == "." and month == match["month"]:
        end -= 1  # a full stop behind a whole name is the sentence's
    elif match["year"] is None and is_day_first and text[end - 1] == "." and _STOP.match(text, end):
        end -= 1
    words = f"{day} of {month}" if is_day_first else f"{month} {day}"
    before = text[max(0, match.start() - 4) : match.start()].lower()
    if is_day_first and not before.endswith("the "):
        words = f"the {words}" if not match["last"] else words
    return (f"{words}, {_year_words(match['year'])}" if match["year"] else words), end


def numeric_date(text: str, start: int, *, is_day_first: bool) -> tuple[str, int] | None:
    """A date in digits: "2021-06-30", "25.12.2023", "7/4/2022"."""
    match = _ISO.match(text, start)
    if match is not None:
        words = _calendar(match["day"], match["month"], match["year"])
        if words is None:
            return None
        if match["time"]:
            words += f", {_time(match['time'].split(':'))}" + (" Z" if match["zone"] else "")
            if match["sign"]:
                words += f" {offset_words(match['sign'], match['hours'], match['minutes'])}"
        return words, match.end()
    short = _MONTH_DAY.match(text, start)
    if short is not None and _ON.search(text, max(0, start - 8), start) and short[0] not in ("9/11", "24/7"):
        a, b = short["a"], short["b"]
        month, day = (b, a) if (is_day_first and int(b) < 13) or int(a) > 12 else (a, b)
        if 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
            return f"{MONTHS[int(month) - 1]} {_day(day)}", short.end()
    match = _NUMERIC.match(text, start)
    if match is None or (
        match["sep"] in "-." and len(match["year"]) == 2 and not (len(match["a"]) == len(match["b"]) == 2)
    ):
        return None
    if match["sep"] == "." and len(match["year"]) == 2 and int(match["b"]) > 12:
        return None
    a, b, number = match["a"], match["b"], match["year"]
    first = (a, b) if is_day_first or match["sep"] == "." else (b, a)
    if not 1 <= int(first[1]) <= 12:
        first = (first[1], first[0])
    if len(number) == 2:
        number = ("20" if int(number) < 50 else "19") + number
    words = _calendar(first[0], first[1], number)
    return (words, match.end()) if words else None


def _calendar(day: str, month: str, number: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{MONTHS[int(month) - 1]} {_day(day)}, {year(number)}"


def clock_time(text: str, start: int) -> tuple[str, int] | None:
    """A time, or two of them: "3:15", "9:05 am", "7pm", "9:00-10:30", "3:59:21"."""
    clock = _CLOCK.match(text, start)
    if clock is not None:
        hour, minute = clock["hour"], clock["minute"]
        head = spelled(hour) if hour[0] == "0" else cardinal(hour)
        return f"{head} {'hundred' if minute == '00' else _minutes(minute)}", clock.end()
    first = _one_time(text, start)
    if first is None:
        return None
    words, end, is_marked = first
    ends = _RANGE.match(text, end)
    if ends is not None:
        second = _one_time(text, ends.end(), is_after_time=is_marked)
        if second is not None and (is_marked or second[2]):
            return f"{words} to {second[0]}", second[1]
    return (words, end) if is_marked else None


def _one_time(text: str, start: int, *, is_after_time: bool = False) -> tuple[str, int, bool] | None:
    match = _TIME.match(text, start)
    if match is None:
        return None
    half, minute = match["half"], match["minute"]
    is_marked = bool(half) or (minute is not None and text[match.end("hour")] == ":")
    if minute is not None and text[match.end("hour")] == "." and not half:
        return None
    end = match.end() if is_marked else match.end("hour")
    if text[end : end + 1].isdigit() or text[end : end + 2] in ("".join((":", d)) for d in "0123456789"):
        return None
    if not is_marked:
        return (cardinal(match["hour"]), end, False)
    parts = [match["hour"], *([minute] if minute else []), *([match["second"]] if match["second"] else [])]
    words = _time(parts, is_marked_half=bool(half))
    if match["part"]:
        words += f" point {spelled(match['part'])}"
    if half:
        letters = "A M" if half.strip()[0] in "aA" else "P M"
        words += f" {letters}"
        if half.endswith(".") and _ends_sentence(text, end) and not match["zone"]:
            end -= 1
    if match["zone"]:
        zone = match["zone"].strip()
        words += " " + _ZONES.get(zone, " ".join(zone))
    return words, end, is_marked


def _ends_sentence(text: str, end: int) -> bool:
    """Whether the full stop of "p.m." ends the sentence too."""
    return re.match(r"\s*\Z|\s+[\"'“‘(]?[A-Z]", text[end : end + 4]) is not None and (
        end == len(text.rstrip()) or re.match(r"\s+[\"'“‘(]?(?:[A-Z][a-z]*)", text[end : end + 16]) is not None
    )


def _time(parts: list[str], *, is_marked_half: bool = False) -> str:
    hour, *rest = parts
    head = cardinal(hour) if hour != "00" else "zero"
    if len(rest) == 2:
        return (
            f"{head} {_minutes(rest[0])} and {cardinal(rest[1])} seconds"
            if hour != "0"
            else f"{_minutes(rest[0])} {_minutes(rest[1])}"
        )
    if not rest:
        return head
    minute = rest[0]
    if minute == "00":
        return (
            head
            if is_marked_half
            else "zero hundred"
            if hour in ("0", "00")
            else f"{head} o'clock"
            if 1 <= int(hour) <= 12
            else f"{head} hundred"
        )
    return f"{head} {_minutes(minute)}"


def _minutes(digits: str) -> str:
    return f"oh {cardinal(digits[1])}" if digits[0] == "0" else cardinal(digits)


def decade(text: str, start: int) -> tuple[str, int] | None:
    """Years in the plural: "1990s", "'80s", "60s"."""
    match = _DECADE.match(text, start)
    if match is None:
        return None
    number = match["number"]
    if number == "00":
        return "two thousands", match.end()
    if len(number) == 2:
        before = text[max(0, start - 10) : start].lower()
        is_years = match["apostrophe"] or re.search(
            r"(?:\b(?:the|his|her|their|my|our|your|its|early|mid|late)|[-–]|\ds(?: and| or| to|,| &)) ?\Z", before
        )
        return (plural(cardinal(number)), match.end()) if is_years else None
    if number[1:] == "000":
        return plural(cardinal(number)), match.end()
    head = cardinal(number[:2])
    return (f"{head} {'hundreds' if number[2:] == '00' else plural(cardinal(number[2:]))}"), match.end()


def short_year(text: str, start: int) -> tuple[str, int] | None:
    """A year without its century: "'99"."""
    match = _SHORT_YEAR.match(text, start)
    return (_year_words(f"'{match['number']}"), match.end()) if match is not None else None
