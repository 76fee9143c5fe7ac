"""Roads of an English address: points of the compass beside them, and the kind of road without its full stop.

Guaranteed: a letter is a point of the compass only beside a road or the number of one; "45 W" by itself is no address.
"""

from __future__ import annotations

import re

from .abbreviations import abbreviations

_COMPASS = re.compile(r"(?P<side>[NS]\.?[EW]|[NSEW])\.?(?![\w'])")
_COMPASS_NAMES = {"N": "north", "S": "south", "E": "east", "W": "west", "NE": "northeast", "NW": "northwest"} | {
    "SE": "southeast",
    "SW": "southwest",
}
_ROADS = (
    "St|Ave|Av|Rd|Dr|Blvd|Ln|Ct|Pl|Pkwy|Hwy|Street|Avenue|Road|Drive|Boulevard|Lane|Court|Place|Parkway|Highway|Way"
)
_AHEAD = re.compile(
    rf"\.? (?:\d+(?:st|nd|rd|th)(?![\w-])(?! (?:century|anniversary|floor|birthday))|(?:\d+(?:st|nd|rd|th)|[A-Z][\w']+(?: [A-Z][\w']+)?) (?:{_ROADS})\b|(?:Broadway|Main)\b(?! [A-Z]))"
)
_BEHIND = re.compile(rf"\b(?:{_ROADS})\.?,? \Z")
_HEADING = re.compile(
    r"\b(?:[Gg]o|[Gg]oes|[Hh]ead|[Hh]eads|[Hh]eading|[Dd]rive|[Dd]ue|[Ff]acing|[Tt]ravel(?:ing|ed)?|I-\d{1,3}|[Rr]oute \d{1,3}|[Hh]wy\.? \d{1,3}) \Z"
)
_HOUSE = re.compile(
    r"(?:\A|[^\w.])(?:\d+[A-Za-z]? (?:[NSEW]{1,2}\.? )?(?:[A-Z][\w'’-]*\.? ){1,3}|(?:[NSEW]{1,2}\.? )?\d+(?:st|nd|rd|th) )\Z"
)
_BARE = re.compile(r"(?P<name>St|Ave|Av|Rd|Dr|Blvd|Ln|Ct|Pl|Sq|Ter|Pkwy|Hwy|Cir)(?![\w.'’-])(?! [A-Z][a-z])")
ROAD_NAMES = frozenset("St Ave Av Rd Dr Blvd Ln Ct Pl Sq Ter Pkwy Hwy Cir".split())
"""Kinds of roads that are known without a full stop, behind the number of a house."""


def is_compass(text: str, end: int) -> bool:
    """Whether a letter that ends at `end`, such as the W of "45 W. 34th St.", names the side of a road behind it."""
    return _AHEAD.match(text, end) is not None


def read_road(text: str, start: int) -> tuple[str, int] | None:
    """A point of the compass or a kind of road in an address: "N. Main St.", "Ave. NW", "12 Oak Rd"."""
    match = _COMPASS.match(text, start)
    if match is not None:
        if (
            _HEADING.search(text, max(0, start - 12), start)
            and match.end() - start < 3
            and text[match.end() - 1] != "."
        ):
            return _COMPASS_NAMES[match["side"]], match.end()
        is_behind = _BEHIND.search(text, max(0, start - 14), start) is not None
        side_end = match.end() - match[0].endswith(".")
        if not is_behind and not is_compass(text, side_end):
            return None
        return _COMPASS_NAMES[match["side"].replace(".", "")], side_end if is_behind else match.end()
    bare = _BARE.match(text, start)
    if bare is not None and _HOUSE.search(text, max(0, start - 64), start) is not None:
        entry = next((entry for entry in abbreviations().get(bare["name"], ()) if entry.when == "street"), None)
        return (entry.reading, bare.end()) if entry is not None else None
    return None
