"""Ions in English: the formula letter by letter, then its charge, as in "C A two plus" for "Ca²⁺".

Guaranteed: only symbols of elements with a raised charge, or a usual ion with its charge on the line, are taken.
"""

from __future__ import annotations

import re

from .numerals import cardinal

ELEMENT = (
    "(?:A[cglmrstu]|B[aeikr]?|C[adeflmorsu]?|D[bsy]?|E[rsu]|F[emr]?|G[ade]|H[efgos]?|I[nr]?|K[r]?|L[airuv]|M[dgnot]|"
    "N[abdeiop]?|O[gs]?|P[abdmortu]?|R[abefghnu]|S[bcegimnr]?|T[abcehilms]|U|V|W|X[e]|Y[b]?|Z[nr])"
)
_FORMULA = rf"(?:{ELEMENT}\d*){{1,6}}"
_WHOLE = re.compile(rf"{_FORMULA}")
_RAISED = re.compile(rf"(?P<formula>{_FORMULA}|e)(?P<charge>[¹²³⁴⁵⁶⁷⁸]?)(?P<sign>[⁺⁻])(?![⁰¹²³⁴⁵⁶⁷⁸⁹A-Za-z\d])")
_ON_LINE = re.compile(
    r"(?P<formula>Ca|Mg|Fe|Zn|Cu|Al|Mn|Ba|Pb|Hg|Ni|Sr|Cr|Sn)(?P<charge>[234])(?P<sign>\+)(?![\w+=])"
    r"|(?P<formula1>Na|NH4|H3O)(?P<sign1>\+)(?![\w+=])(?! ?\d)"
)
_PIECES = re.compile(r"[A-Za-z]|\d+")
_CHARGES = {char: str(value) for value, char in enumerate("⁰¹²³⁴⁵⁶⁷⁸")}


def is_formula(text: str) -> bool:
    """Whether letters and digits are the symbols of elements with their numbers, as in "H2SO4"."""
    return _WHOLE.fullmatch(text) is not None


def match_ion(text: str, start: int) -> tuple[list[str], str, bool, int] | None:
    """An ion's letters and numbers, the number of its charge ("" for none), whether it is positive, and its end."""
    match = _RAISED.match(text, start)
    if match is not None:
        charge = _CHARGES.get(match["charge"], "")
        return _PIECES.findall(match["formula"]), charge, match["sign"] == "⁺", match.end()
    match = _ON_LINE.match(text, start)
    if match is None:
        return None
    return _PIECES.findall(match["formula"] or match["formula1"]), match["charge"] or "", True, match.end()


def read_ion(text: str, start: int) -> tuple[str, int] | None:
    """An ion at `start`: "SO₄²⁻" is "S O four two minus"."""
    ion = match_ion(text, start)
    if ion is None:
        return None
    pieces, charge, is_positive, end = ion
    words = [cardinal(piece) if piece.isdigit() else piece.upper() for piece in pieces]
    words += [cardinal(charge)] if charge else []
    return " ".join([*words, "plus" if is_positive else "minus"]), end
