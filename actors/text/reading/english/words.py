"""English words that are not said as they are written: acronyms, codes, Roman numerals, initials, months beside numbers.

Guaranteed: each function reads what begins at `start` and says where it ends, or declines with None.
"""

from __future__ import annotations

import re
from functools import cache

from ..tables import read_table
from .abbreviations import abbreviations, may_start, read_abbreviation
from .chemistry import is_formula, read_ion
from .citations import read_citation
from .dates import DAYS, MONTHS, named_date
from .numerals import cardinal, ordinal, pairs, roman, spelled, year
from .roads import read_road
from .standards import read_zone
from .units import units

LATIN = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿªº"
WORD = re.compile(rf"[{LATIN}]+(?:'[{LATIN}]+)*")
_CODE = re.compile(
    r"(?P<head>[A-Za-z]{1,12})(?P<joint>[-–.]?)(?P<digits>\d+)(?P<tail>(?:(?!s(?!\w))[A-Za-z]{1,3}\d*|[-–]\d+[A-Za-z]?|-[A-Z]{1,3}\d+)*)"
    r"(?P<point>(?:\.\d+)*)(?P<plural>s?)(?![\w%])"
)
_LIVED = re.compile(r"[bd]\. ?(?P<about>c\. ?)?(?P<year>(?:1\d|20)\d\d)(?![\w%]|[.,]\d)")
_SHORT_PARTS = frozenset("art amend sec vol ch chap pt bk cl fig".split())
_TOO_LONG = re.compile(r"TL; ?DR(?!\w)|tl; ?dr(?!\w)")
_EXTENSION_BEFORE = re.compile(r"\d{3}[-. ]\d{4},? \Z")
_PIECES = re.compile(r"[A-Za-z]+|\d+|[-–.]")
NUMBERED = frozenset(
    "Nos nos Vol vol Vols vols Fig Figs Figs Eq Eqs Ch ch Chs pp Hwy hwy Rte Rt Apt apt Rm rm Ext ext Ste Sec Art Bldg Ver ver NO".split()
)
"""Abbreviations that are known without a full stop where a number follows."""
FLOORS = frozenset("Fl fl Flr flr".split())
"""Those that are known without a full stop behind an ordinal."""
_DOTTED = re.compile(r"(?:[A-Za-z]\.){2,}[A-Za-z]?(?![A-Za-z])|(?:[A-Za-z]{1,3}\.){2,}(?![A-Za-z])")
_CAPITALS = re.compile(r"(?P<letters>[A-Z]{2,}(?:&[A-Z]{1,3})*|[A-Z](?:&[A-Z]{1,3})+)(?P<tail>'s|s'|s|'S)?(?![\w])")
_MIXED_CASE = re.compile(r"[a-z]{0,3}[A-Z]+[a-z]*[A-Z]+[A-Za-z]*(?!\w)")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ROMAN = re.compile(r"[IVXLCDM]+(?P<th>th|st|nd|rd)?(?P<plural>'s)?(?![\w'])|[ivxl]+(?![\w'])")
_BEFORE = re.compile(rf"([{LATIN}'.]+),? \Z")
_SAYABLE = re.compile(r"(?:[BCDFGHJ-NP-TV-Z]{0,2}[AEIOUY]{1,2}){2,}[BCDFGHJ-NP-TV-Z]{0,2}\Z")
_PARTS = frozenset(
    "act appendix apollo article annex bowl book canto chapter class clause column company exhibit figure grade group "
    "iteration level line mark model note number page pages part parts phase plate problem rank room round rule schedule "
    "scene section sections series stage star step table theorem tier title tome type type unit version vol volume volumes "
    "war wars week world ww game gemini generation factor final fantasy rocky episode season study trial tract king's "
    "wave layer lamp division district corps legion panzer category option point example question".split()
)
_TITLES = frozenset(
    "king queen pope emperor empress tsar czar prince princess duke sultan saint pharaoh kaiser shah".split()
)
_NO_NUMERAL = frozenset(
    "the a an i he she it we they in on at by to of and or my his her our your their this that with from for is was no as if "
    "but not so mr mrs ms dr".split()
)
_ORDINAL_AFTER = re.compile(
    r" (?:century|centuries|Olympi|Games|Congress|Corps|Legion|Dynasty|dynasty|Conference|Summit|Amendment|Army|edition)"
)
_NO_VOWEL = re.compile(r"[b-df-hj-np-tv-xz]{2,5}(?![\w'])")
_SOUNDS = frozenset(
    "hm hmm mm mmm sh shh shhh pst psst brr brrr nth tsk pfft zzz grr grrr rhythm cwm crwth th st nd rd ll ve vs".split()
)
_FIRST = re.compile(r"(?P<name>[A-Z][a-z]+) I(?![\w'])")
_SPEAKER = re.compile(
    r" (?:am|was|have|had|will|would|do|did|think|can|could|know|see|saw|said|love|want|read|like|need|feel)\b"
)
_BEHIND_FIRST = re.compile(
    r"['’]s|[.,;:!?)]|\s*\Z| (?:of|and|the|died|was|is|had|reigned|became|ruled|came|built|made|waved|spoke|who|[a-z]+ed)\b"
)
_FULL_NAMES = (
    DAYS
    | {name[:3]: name for name in MONTHS}
    | {name: name for name in (*MONTHS, *DAYS.values(), *(f"{day}s" for day in DAYS.values()))}
    | {"Sept": "September"}
)
_SPAN_NAMES = "|".join(sorted(_FULL_NAMES, key=len, reverse=True))
_DAYS_OR_MONTHS = re.compile(rf"({_SPAN_NAMES})\.? ?[-–—] ?({_SPAN_NAMES})\b(?:\.(?=,? ?\d|[,;)]| [a-z]))?")
_LETTERS_ALWAYS = frozenset(
    "UK EU UN USA UAE FBI CIA EPA FDA IMF IRS IRA AI UFO UFOS CEO CFO CTO IPO GDP VIP NBA NFL NHL MLB BBC NBC CNN ABC DNA RNA "
    "NYC DJ SUV FAQ LGBT PHD HIV NHS MP MPS TV PC DVD ATM ADHD USB IBM AP AG II III IV VI VII VIII IX XI XII EV EVS IPCC IAEA WTO".split()
)
"""Letters that stay letters in a text of capitals, where a word is made of nearly any others."""
_NEXT_WORD = re.compile(r"[^\w]{0,2}(\w*)")
_BEFORE_NAME = re.compile(
    r"(?:\A|[.!?:;–—,\"“(] |\b(?:THE|A|AN|NEW|FORMER|EX|ALL|MOST|MORE|MAJOR|EVERY|SOME|BY|IN)[ -])\Z"
)
_BEFORE_PRONOUN = re.compile(
    r"\b(?:TELL|TELLS|TOLD|LET|LETS|GIVE|GIVES|GAVE|HELP|HELPS|SHOW|SHOWS|MAKE|MAKES|OF|FOR|WITH|TO|JOIN|ASK|FOLLOW|CALL) \Z"
)
_ARTICLES = frozenset(("THE", "A", "AN"))
_BEHIND_US = frozenset(
    "TROOPS ARMY NAVY SENATE HOUSE CONGRESS PRESIDENT DOLLAR DOLLARS FORCES GOVERNMENT ECONOMY SANCTIONS TARIFFS ELECTION "
    "ELECTIONS TRADE STOCKS MARKETS MARKET OPEN JUDGE COURT SUPREME MILITARY BORDER CITIZEN CITIZENS OFFICIALS OFFICIAL BANKS "
    "BANK DEBT STATE STATES SOLDIERS SOLDIER AIR COAST EMBASSY EXPORTS IMPORTS JOBS INFLATION GDP POLICY OIL ENVOY".split()
)
_SMALL_ROMANS = frozenset(
    "ii iii iv vi vii viii ix xi xii xiii xiv xv xvi xvii xviii xix xx xxi xxii xxiii xxiv xxv i v x".split()
)


@cache
def acronyms() -> dict[str, str]:
    """Words in capitals and their readings."""
    return {word: reading or word for word, reading in read_table("en/acronyms")}


@cache
def regnal_names() -> frozenset[str]:
    """Names of rulers."""
    return frozenset(row[0] for row in read_table("en/regnal_names"))


def read_word(text: str, start: int, *, is_shouted: bool) -> tuple[str, str, int] | None:
    """What begins with a letter at `start`, as its kind, its words and its end; None where it is said as written."""
    for kind, read in (*_RARE, *_READERS) if text[start] in _RARE_STARTS else _READERS:
        found = read(text, start)
        if found is not None:
            return kind, *found
    return _capitals(text, start, is_shouted=is_shouted) or _vowelless(text, start)


def _vowelless(text: str, start: int) -> tuple[str, str, int] | None:
    """Small letters that make no word: a unit by its name, others by themselves."""
    match = _NO_VOWEL.match(text, start)
    if match is None or match[0].lower() in _SOUNDS:
        return None
    unit = units().get(match[0])
    if unit is not None and len(match[0]) > 1:
        return "unit", unit.other, match.end()
    return "letters", " ".join(match[0].upper()), match.end()


def is_vowelless(word: str) -> bool:
    """Whether small letters make no word, and are said otherwise than they are written."""
    return _NO_VOWEL.fullmatch(word) is not None and word not in _SOUNDS


BOOKS = {
    name: entry.reading
    for name, entries in abbreviations().items()
    for entry in entries
    if entry.when == "verse" and not name.isupper()
}
"""Books of the Bible by their abbreviations, which need no full stop before chapter and verse."""
_VERSE = re.compile(r" \d{1,3}:\d{1,3}(?!\d| ?[AaPp]\.?[Mm]\b)")
_PEOPLE = frozenset("Dan Josh Mal Matt Phil Sam Tim".split())
"""Books that are called as people are, who speak or come at a time: "Tim 3:30"."""
_NUMBERED_BOOK = re.compile(r"[12] \Z")


def _date(text: str, start: int) -> tuple[str, int] | None:
    match = WORD.match(text, start)
    if match is None:
        return None
    span = _DAYS_OR_MONTHS.match(text, start)
    if span is not None:
        return f"{_FULL_NAMES[span[1]]} to {_FULL_NAMES[span[2]]}", span.end()
    day = DAYS.get(match[0])
    if day is not None and re.match(r"\.?,? (?:\d|[A-Z][a-z]{2,8}\.? \d)", text[match.end() : match.end() + 16]):
        return day, match.end() + (text[match.end()] == ".")
    return named_date(text, start) if match[0][0].isupper() else None


def _dotted(text: str, start: int) -> tuple[str, int] | None:
    """Letters with full stops: initials, "U.S.", "p.m.", "Ph.D."; those that the table has by their meaning."""
    match = _DOTTED.match(text, start)
    if match is not None:
        letters = match[0]
        end = match.end()
        known = abbreviations().get(letters.rstrip("."))
        stop = ""
        if letters.endswith(".") and may_start(text, end):
            stop = "."
        if known is not None:
            return known[0].reading + ("" if known[0].ends == "never" else stop), end
        pieces = [
            piece if len(piece) == 1 or piece[1:].isupper() else " ".join(piece)
            for piece in letters.split(".")
            if piece
        ]
        tail = ""
        if text.startswith("'s", end):
            tail, end = "'s", end + 2
        return " ".join(pieces).upper() + tail + stop, end
    if (
        text[start].isalpha()
        and not _is_versus(text, start)
        and text[start + 1 : start + 2] == "."
        and (start == 0 or not text[start - 1].isalnum())
    ):
        following = re.match(r"\s?(?:[A-Z][\w'’-]*|&)", text[start + 2 : start + 34])
        before = text[max(0, start - 2) : start]
        is_initial = following is not None and not may_start(text, start + 2) and not before.endswith(("&",))
        if (is_initial and text[start] != "I") or (is_initial and re.search(r"[A-Z]\. \Z|\A\Z", before)):
            return text[start], start + 2
    return None


def _is_versus(text: str, start: int) -> bool:
    """Whether "v." stands between the names of a case."""
    return text[start] == "v" and re.search(r"[A-Z][\w.'’]* \Z", text[max(0, start - 24) : start]) is not None


def _abbreviation(text: str, start: int) -> tuple[str, int] | None:
    match = re.compile(rf"[{LATIN}][{LATIN}'./]*").match(text, start)
    if match is None:
        return None
    word = match[0].partition("./")[0]
    name = word.rstrip(".'/")
    end = start + len(name)
    if text[end : end + 1] == ".":
        found = read_abbreviation(text, start, end)
        if found is not None:
            return found.words + ("." if found.is_stop else ""), end + 1
    for candidate in (word, name):
        entries = [entry for entry in abbreviations().get(candidate, ()) if entry.when == "bare"]
        if entries and (candidate != name or text[end : end + 1] != "/"):
            return entries[0].reading, start + len(candidate)
    if (
        name in FLOORS
        and re.search(r"\d(?:st|nd|rd|th) \Z", text[max(0, start - 4) : start])
        and text[end : end + 1] != "."
    ):
        return "floor", end
    if (
        name in BOOKS
        and _VERSE.match(text, end)
        and (name not in _PEOPLE or _NUMBERED_BOOK.search(text, max(0, start - 2), start))
    ):
        return BOOKS[name], end
    if name in NUMBERED:
        number = re.match(r" (?=#?\d)", text[end : end + 3])
        entries = [entry for entry in abbreviations().get(name, ()) if entry.when == "number"]
        if number is not None and entries and text[end : end + 1] == " ":
            return entries[0].reading, end
    return None


def _lived(text: str, start: int) -> tuple[str, int] | None:
    """The year of a birth or a death: "b. 1920"."""
    match = _LIVED.match(text, start) if text[start] in "bd" else None
    if match is None:
        return None
    about = "circa " if match["about"] else ""
    return f"{'born' if match[0][0] == 'b' else 'died'} {about}{year(match['year'])}", match.end()


def _too_long(text: str, start: int) -> tuple[str, int] | None:
    match = _TOO_LONG.match(text, start) if text[start] in "Tt" else None
    return ("T L D R", match.end()) if match is not None else None


def _code(text: str, start: int) -> tuple[str, int] | None:
    """Letters with digits: "B12", "BA117", "COVID-19", "A1B2", "CO2", "MP3", "v2.5"."""
    match = _CODE.match(text, start)
    if match is None:
        return None
    head, point = match["head"], match["point"]
    if match["joint"] and ((head[1:].islower() and len(head) > 4) or head.islower()):
        return None
    if match["joint"] and head.lower() in ("mid", "pre", "post"):
        return None
    if match["joint"] == "." and len(head) > 1:
        return None
    if (head in ("v", "ver", "Ver") or (head == "V" and point)) and not match["tail"]:
        numbers = [
            cardinal(piece) if piece[0] != "0" else spelled(piece)
            for piece in re.findall(r"\d+", match["digits"] + point)
        ]
        return f"version {' point '.join(numbers)}", match.end()
    if head == "q" and match["tail"] == "h":
        return f"every {cardinal(match['digits'])} hours", match.end()
    if (
        head in ("x", "X")
        and match["digits"] == match[0][1:]
        and _EXTENSION_BEFORE.search(text, max(0, start - 12), start)
    ):
        return (
            f"extension {spelled(match['digits']) if len(match['digits']) > 2 else cardinal(match['digits'])}",
            match.end(),
        )
    words: list[str] = []
    is_chemical = not match["joint"] and is_formula(match[0])
    is_plural = bool(match["plural"]) or (match["tail"] == "s" and head.isupper())
    body = match[0].removesuffix("s") if is_plural else match[0]
    pieces = _PIECES.findall(body)
    for place, piece in enumerate(pieces):
        if piece == ".":
            words.append("point")
        elif piece[0].isdigit():
            words.append(_digits(piece, is_after_point=place > 0 and pieces[place - 1] == "."))
        elif piece[0].isalpha():
            words.append(" ".join(piece.upper()) if is_chemical and len(piece) < 3 else _letters(piece))
    if is_plural:
        words[-1] = (
            words[-1] + ("es" if words[-1].endswith("x") else "s")
            if not words[-1].endswith("y")
            else words[-1][:-1] + "ies"
        )
    return " ".join(words), match.end()


def _digits(digits: str, *, is_after_point: bool) -> str:
    if is_after_point or digits[0] == "0" or len(digits) > 4:
        return spelled(digits)
    return cardinal(digits) if len(digits) < 3 else pairs(digits)


def _letters(letters: str) -> str:
    known = acronyms().get(letters)
    if known is not None:
        return known
    if len(letters) > 2 and (not letters.isupper() or (len(letters) > 4 and _SAYABLE.match(letters))):
        return letters
    return " ".join(letters.upper())


def counted_names() -> frozenset[str]:
    """Names and words behind which "I" is the first: rulers, and parts of books."""
    return regnal_names() | frozenset(word.capitalize() for word in _PARTS)


def _first(text: str, start: int) -> tuple[str, int] | None:
    """A ruler, a war or a part of a book with the number I."""
    match = _FIRST.match(text, start)
    if match is None:
        return None
    name = match["name"]
    if name in regnal_names():
        return (f"{name} the first", match.end()) if _BEHIND_FIRST.match(text, match.end()) is not None else None
    if name.lower() not in _PARTS or _SPEAKER.match(text, match.end()) is not None:
        return None
    return f"{name} one", match.end()


def _roman(text: str, start: int) -> tuple[str, int] | None:
    match = _ROMAN.match(text, start)
    if match is None:
        return None
    letters = re.match(r"[IVXLCDM]+|[ivxl]+", match[0])
    assert letters is not None
    value = roman(letters[0])
    if value is None:
        return None
    if match["th"]:
        return (ordinal(value), match.end()) if len(letters[0]) > 1 or letters[0] in "VX" else None
    before = _BEFORE.search(text, max(0, start - 28), start)
    previous = before[1] if before is not None else ""
    low = previous.lower().rstrip(".")
    tail = match["plural"] or ""
    is_short = previous.endswith(".") and low in _SHORT_PARTS
    if letters[0].islower():
        is_part = low in _PARTS or low in ("p", "pp", "ch")
        return (cardinal(value), match.end()) if letters[0] in _SMALL_ROMANS and is_part else None
    is_single = len(letters[0]) == 1
    if is_single and (letters[0] in "CDLM" or (low not in _PARTS and not is_short and previous not in regnal_names())):
        return None
    if letters[0] == "I" and low not in _PARTS and not _BEHIND_FIRST.match(text, match.end()):
        return None
    if low in _PARTS or is_short:
        return cardinal(value) + tail, match.end()
    if value > 1_000 and len(letters[0]) > 3:
        return year(value) + tail, match.end()
    if _ORDINAL_AFTER.match(text, match.end()) is not None and not is_single:
        return ordinal(value) if low == "the" else f"the {ordinal(value)}", match.end()
    if set(letters[0]) & set("CDM") or (set(letters[0]) == {"L"}) or letters[0] in ("XL", "LI", "LV", "LX"):
        return None
    if low in _NO_NUMERAL or not previous:
        return (
            (ordinal(value) if low == "the" else cardinal(value), match.end())
            if len(letters[0]) > 2 and previous
            else None
        )
    if not previous[:1].isupper():
        return (cardinal(value), match.end()) if len(letters[0]) > 2 else None
    ruler = text[max(0, start - 48) : start].lower().split()
    is_ruler = previous in regnal_names() or any(word in _TITLES for word in ruler[-4:])
    return (f"the {ordinal(value)}" if is_ruler else cardinal(value)) + tail, match.end()


def _capitals(text: str, start: int, *, is_shouted: bool) -> tuple[str, str, int] | None:
    """An acronym: said as a word where the table says so or it looks like one, else letter by letter."""
    whole = WORD.match(text, start)
    if whole is not None and whole[0] in acronyms() and text[whole.end() : whole.end() + 1] != "&":
        return "acronym", acronyms()[whole[0]], whole.end()
    match = _CAPITALS.match(text, start)
    if match is None:
        mixed = _MIXED_CASE.match(text, start)
        if mixed is None or is_shouted:
            return None
        return _mixed_case(mixed)
    letters, tail = match["letters"], (match["tail"] or "").lower()
    if is_shouted and "&" not in letters and not _is_spelled_among_capitals(text, start, letters):
        word = letters.lower()
        return "shouted", (word if re.search("[aeiouy]", word) else " ".join(letters)) + tail, match.end()
    if letters in acronyms():
        return "acronym", acronyms()[letters] + tail, match.end()
    if "&" in letters:
        return "acronym", " and ".join(" ".join(part) for part in letters.split("&")) + tail, match.end()
    if len(letters) > 3 and _SAYABLE.match(letters) and (len(letters) > 4 or letters[1] in "AEIOU"):
        return "acronym", letters + tail, match.end()
    if len(letters) > 6:
        return "acronym", letters.lower() + tail, match.end()
    return "acronym", " ".join(letters) + ("'s" if tail == "s" else tail), match.end()


def _is_spelled_among_capitals(text: str, start: int, letters: str) -> bool:
    """Whether a word of a text in capitals is said by its letters: no word is spelled so, or it stands as a name does."""
    if letters in _LETTERS_ALWAYS:
        return True
    if letters == "US":
        head = text[max(0, start - 24) : start]
        following = _NEXT_WORD.match(text, start + 2)
        word = following[1] if following is not None else ""
        if _BEFORE_NAME.search(head) is not None:
            return head[-4:].strip() in _ARTICLES or word not in ("BOTH", "IS", "AND")
        return word in _BEHIND_US and _BEFORE_PRONOUN.search(head) is None
    return False


def _mixed_case(match: re.Match[str]) -> tuple[str, str, int] | None:
    """Names with capitals inside: "iPhone" and "YouTube" are words, "GHz" and "eBPF" have letters."""
    pieces = _CAMEL.findall(match[0])
    if all(len(piece) < 2 or not piece.isupper() for piece in pieces):
        return None
    words = [" ".join(piece) if piece.isupper() and len(piece) < 5 else piece for piece in pieces]
    return "acronym", " ".join(words), match.end()


_RARE_STARTS = frozenset("FRALPNSCUGTtbd")
_RARE = (
    ("citation", read_citation),
    ("time", read_zone),
    ("acronym", _too_long),
    ("date", _lived),
)
"""What begins with few letters: it is tried for these alone."""
_READERS = (
    ("roman", _first),
    ("address", read_road),
    ("chemistry", read_ion),
    ("date", _date),
    ("initials", _dotted),
    ("abbreviation", _abbreviation),
    ("roman", _roman),
    ("code", _code),
)
