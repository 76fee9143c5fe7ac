"""`speechmill check-model`: the laws of a model, one line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..run.exit_status import ExitStatus
from .exits import reported
from .options import JsonOption

if TYPE_CHECKING:
    from ..conformance.check_model import Finding

OptionOption = Annotated[
    list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="One of model.options; the value is YAML.")
]
TextOption = Annotated[
    list[str] | None, typer.Option("--text", help="A sentence in the model's language, in place of ours.")
]


def check_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name, or module:Class.")],
    weights: Annotated[str | None, typer.Option(metavar="DIR", help="Its weights, as model.path.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    voice: Annotated[str, typer.Option(help="The default voice.")] = "",
    options: OptionOption = None,
    texts: TextOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Speak the texts into this folder, with a report to send in.")
    ] = None,
    recogniser: Annotated[
        str | None, typer.Option(metavar="DIR", help="A faster-whisper model that listens to what lies in --out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a model keeps the laws that speechmill builds on. Exit status 1 if it breaks one."""
    with reported():
        from ..conformance.check_model import REPORT
        from ..conformance.check_model import check_model as check
        from ..corpus.printable import printable
        from ..spec.overrides import read_pair

        report = check(
            model,
            weights=weights,
            device=device,
            voice=voice,
            options=dict(read_pair(pair, "--option", "speed_limit=2") for pair in options or []),
            texts=tuple(texts) if texts else None,
            out=out,
            recogniser=recogniser,
            observe=show_finding(is_silent=as_json),
        )
        if as_json:
            print(json.dumps(report.body))
        elif report.samples is not None:
            print(f"{printable(report.samples.line)}; {out}/{REPORT} is the report")
        raise typer.Exit(ExitStatus.well(report.is_ok))


def show_finding(*, is_silent: bool) -> Callable[[Finding], None]:
    """What prints a finding as it comes; nothing where a program gets the whole report at the end."""
    from ..corpus.printable import printable

    def show(finding: Finding) -> None:
        if not is_silent:
            print(f"{finding.outcome:8}{finding.meaning}", flush=True)
            if finding.detail:
                print(f"        {printable(finding.detail)}", flush=True)

    return show
