"""`speechmill report`: makes the page of an output, or serves it with all clips."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from ..run.exit_status import ExitStatus
from .exits import reported
from .options import EndpointOption, JsonOption, OutputArgument, RegionOption


def report(
    output: OutputArgument,
    file: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="The page to write.")] = "report.html",
    trace: Annotated[str | None, typer.Option(metavar="FILE", help="What `run --trace` wrote.")] = None,
    seed: Annotated[int, typer.Option(help="Of the rows that are drawn.")] = 0,
    rows: Annotated[int, typer.Option(min=1, help="About how many rows the distributions are made of.")] = 200_000,
    serve: Annotated[
        bool, typer.Option("--serve", help="Write no file; serve the page, which plays all clips.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address of --serve.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of --serve; 0 for a free one.")] = 8650,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines; there is no password.")] = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make one HTML page of an output: clips to hear, distributions, failed rows. Exit status 1 if it is damaged."""
    with reported():
        from ..report.browse import Browser
        from ..report.report import make_report, write_page
        from ..report.server import check_host, serve_report
        from .main import open_output

        if serve:
            check_host(host, insecure=insecure)
        storage = open_output(output, endpoint_url, region)
        made = make_report(storage, seed=seed, max_rows=rows, trace=trace, is_served=serve)
        told = f"{made.num_rows:,} rows, {made.num_read:,} of them read, {made.num_clips} clips"
        if made.num_problems:
            told += f", {made.num_problems:,} problems, which the page names"
        if serve:
            _say(told)
            serve_report(made.page, Browser(storage), host, port, _say)
            raise typer.Exit
        write_page(made.page, file)
        if as_json:
            counts = {"rows": made.num_rows, "read": made.num_read, "clips": made.num_clips}
            print(json.dumps({"file": file, "bytes": len(made.page), **counts, "problems": made.num_problems}))
        else:
            print(f"{file}: {len(made.page) / 1e6:.1f} MB; {told}")
        raise typer.Exit(ExitStatus.well(not made.num_problems))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
