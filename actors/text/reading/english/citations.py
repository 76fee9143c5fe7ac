"""Citations of law in English: rules of a court, and the series of reporters in which cases are printed.

Guaranteed: only forms that nothing else has are taken: "R. Civ. P.", "F.3d", "S. Ct." between numbers.
"""

from __future__ import annotations

import re

from .numerals import cardinal

_RULES = re.compile(
    r"(?P<federal>Fed\. ?)?R(?P<many>s)?\. ?(?:(?P<kind>Civ|Crim|App|Bankr)\. ?P\.|(?P<evidence>Evid)\.)"
)
_KINDS = {
    "Civ": "civil procedure",
    "Crim": "criminal procedure",
    "App": "appellate procedure",
    "Bankr": "bankruptcy procedure",
}
_SERIES = re.compile(
    r"(?P<letters>(?:[A-Z]\. ?){1,2}(?:W\. ?)?)(?P<series>[23]d|4th)(?=,? (?:at )?\d)"
    r"|(?P<name>F\. ?Supp\.|S\. ?Ct\.|L\. ?Ed\.|So\.|Cal\. ?Rptr\.|Cal\. ?App\.)(?: ?(?P<series2>[23]d|4th|5th))?(?= \d)"
)
_NAMES = {
    "FSupp": "federal supplement",
    "SCt": "supreme court",
    "LEd": "lawyers' edition",
    "So": "southern",
    "CalRptr": "California reporter",
    "CalApp": "California appellate",
}
CITED = frozenset(("Fed", "Pub", "So", "Cal"))
"""Words that begin a citation, where they have a full stop behind them."""
_NTH = {"2d": "second", "3d": "third", "4th": "fourth", "5th": "fifth"}
_PUBLIC_LAW = re.compile(r"Pub\. ?L\.(?: ?No\.)? ?(?P<congress>\d{1,3})[-–](?P<number>\d{1,4})(?!\d)")
_VOLUME = re.compile(r"\d \Z")


def read_citation(text: str, start: int) -> tuple[str, int] | None:
    """A rule of a court, or a reporter behind the number of its volume, that begins at `start`."""
    if text[start] not in "FRALPNSC" or "." not in text[start : start + 5]:
        return None
    rules = _RULES.match(text, start)
    if rules is not None:
        federal = "federal " * bool(rules["federal"])
        kind = "evidence" if rules["evidence"] else _KINDS[rules["kind"]]
        is_end = not text[rules.end() :].strip()
        return f"{federal}rule{'s' * bool(rules['many'])} of {kind}{'.' * is_end}", rules.end()
    law = _PUBLIC_LAW.match(text, start)
    if law is not None:
        return f"public law {cardinal(law['congress'])}, {cardinal(law['number'])}", law.end()
    series = _SERIES.match(text, start)
    if series is None or _VOLUME.search(text, max(0, start - 2), start) is None:
        return None
    if series["letters"]:
        letters = " ".join(re.findall("[A-Z]", series["letters"]))
        return f"{letters} {_NTH[series['series']]}", series.end()
    name = _NAMES[re.sub(r"[. ]", "", series["name"])]
    return f"{name} {_NTH[series['series2']]}" if series["series2"] else name, series.end()
