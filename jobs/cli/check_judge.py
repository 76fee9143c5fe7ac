"""`speechmill check-judge`: the laws of a judge, one line each."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ..run.exit_status import ExitStatus
from .check_model import show_finding
from .exits import reported
from .options import JsonOption


def check_judge(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="A judge's name, or module:Class.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    options: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="One of its options; the value is YAML.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a judge keeps the laws that speechmill builds on. Exit status 1 if it breaks one."""
    with reported():
        from ..conformance.check_judge import check_judge as check
        from ..spec.overrides import read_pair

        given = dict(read_pair(pair, "--option", "gap_s=1.5") for pair in options or [])
        report = check(judge, device=device, options=given, observe=show_finding(is_silent=as_json))
        if as_json:
            print(json.dumps(report.body))
        raise typer.Exit(ExitStatus.well(report.is_ok))
