"""The front end against what it replaces: sentences of all classes, and the share that each reads as is accepted.

Ours is judged beside the embedded voice's own rules (by the phonemes that they make), wetext and normt2s, in the same
run. A library that is not installed is left out: its figure is null. `sentences_per_s` is ours on these sentences, of
which nearly each holds a number, a symbol or an abbreviation; `plain_per_s` is on the demo corpus; both on one core.

    python benchmarks/text.py [--cases FILE.tsv ...] [--wrong] [--tiny]
"""

from __future__ import annotations

import argparse
import csv
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from common import machine, parsed, show
from lib.text_readings import Case, forms, read_cases

from speechmill.actors.text.front_end import reader_of
from speechmill.actors.text.reading.analyser import analyse

HERE = Path(__file__).parent
CASES = [HERE / "lib" / "text_sentences_en.tsv", HERE / "lib" / "text_sentences_zh.tsv"]
ENGLISH = ("hibari", "other")
"""Those that read no Chinese: they are judged by the English sentences."""
DEMO = HERE.parent / "configs" / "demo.csv"

Judge = Callable[[Case], bool]


def main() -> None:
    """Judge each, and print the shares by class."""
    arguments = parsed(_parser(), "every twentieth sentence, a moment each", tiny_share=20, seconds=0.05)
    cases = [case for path in arguments.cases or CASES for case in read_cases(Path(path))]
    cases = cases[:: arguments.tiny_share]
    judges = {"ours": _is_right, "hibari": _hibari(), "wetext": _wetext(), "other": _normt2s()}
    english = [case for case in cases if case.language == "en"]
    found = {name: _judged(judge, english if name in ENGLISH else cases) for name, judge in judges.items()}
    if arguments.wrong:
        for case in cases:
            if not found["ours"][case.id, case.text]:
                print(f"{case.id}\t{case.text}\t{_ours(case.text, case.language)}")
    with DEMO.open(encoding="utf-8", newline="") as file:
        plain = [(row["text"], "en") for row in csv.DictReader(file)]
    figures: dict[str, Any] = {f"right_{name}": _share(found[name].values()) for name in judges}
    figures |= {
        "sentences_per_s": _per_s([(case.text, case.language) for case in cases], arguments.seconds),
        "plain_per_s": _per_s(plain, arguments.seconds),
        "cases": len(cases),
        "machine": machine(),
    }
    show("Sentences that are read as accepted", ["class", *judges, "of"], _rows(cases, found), figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", metavar="FILE.tsv", help="id, class, text, accepted; ours by default")
    parser.add_argument("--wrong", action="store_true", help="print the sentences that ours reads otherwise")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement of speed")
    parser.set_defaults(tiny_share=1)
    return parser


def _ours(text: str, language: str) -> str:
    return analyse(text, reader_of(language), is_chinese=language == "zh").spoken


def _is_right(case: Case) -> bool:
    return case.is_right(_ours(case.text, case.language))


def _hibari() -> Judge | None:
    """The voice's package: right where it gives the phonemes that it gives for an accepted reading."""
    with suppress(ImportError):
        from hibari.g2p import G2P

        speak: Any = G2P(british=False)

        def sounds(text: str) -> str:
            try:
                return re.sub(r"[^\w]|[ˈˌ]", "", str(speak(text)))
            except Exception:  # what its rules trip over is read by none
                return ""

        def judge(case: Case) -> bool:
            said = sounds(case.text)
            return bool(said) and any(sounds(form) == said for form in forms(case.accepted))

        return judge
    return None


def _wetext() -> Judge | None:
    with suppress(ImportError):
        normalizer: Any = import_module("wetext").Normalizer
        rules = {language: normalizer(lang=language, operator="tn") for language in ("en", "zh")}

        def judge(case: Case) -> bool:
            try:
                return case.is_right(str(rules[case.language].normalize(case.text)))
            except Exception:  # how it says that it has no reading
                return False

        return judge
    return None


def _normt2s() -> Judge | None:
    with suppress(ImportError):
        normalize: Any = import_module("normt2s").normalize
        return lambda case: case.is_right(str(normalize(case.text, lang="en")))
    return None


def _judged(judge: Judge | None, cases: Sequence[Case]) -> dict[tuple[str, str], bool]:
    return {(case.id, case.text): judge(case) for case in cases} if judge is not None else {}


def _share(outcomes: Any) -> float | None:
    values = list(outcomes)
    return round(sum(values) / len(values), 4) if values else None


def _per_s(texts: Sequence[tuple[str, str]], seconds: float) -> float:
    for text, language in texts:
        _ours(text, language)
    num_read, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for text, language in texts:
            _ours(text, language)
        num_read += len(texts)
    return round(num_read / spent)


def _rows(cases: Sequence[Case], found: dict[str, dict[tuple[str, str], bool]]) -> list[list[str]]:
    kinds: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        kinds[case.language, case.kind].append(case)
    rows: list[list[str]] = []
    for (language, kind), members in sorted(kinds.items()):
        judged = [
            [outcomes[key] for case in members if (key := (case.id, case.text)) in outcomes]
            for outcomes in found.values()
        ]
        right = [str(sum(outcomes)) if outcomes else "-" for outcomes in judged]
        rows.append([f"{language} {kind}", *right, str(len(members))])
    return rows


if __name__ == "__main__":
    main()
