"""`speechmill export`: an output as training toolkits read it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from .exits import reported
from .options import EndpointOption, JsonOption, OutputArgument, RegionOption


def export_output(
    output: OutputArgument,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="ljspeech, kaldi, lhotse, audiofolder, nemo or hf.")],
    target: Annotated[
        str | None, typer.Option("-o", "--output", metavar="URI", help="Where it goes: by default OUT-FORMAT.")
    ] = None,
    sample_rate: Annotated[int | None, typer.Option(metavar="HZ", help="Of the WAV files; by default OUT's.")] = None,
    validation: Annotated[float, typer.Option(help="Share of rows, or voices, for validation.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    split_by: Annotated[str, typer.Option(help="row, or voice: then no voice is in both.")] = "row",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete another export that is there.")] = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an output again as training toolkits read it: WAV files, lists, a split into train and validation."""
    with reported():
        from ...cluster.storage import open_storage
        from ..export.clip import SplitRule
        from ..export.export import ExportOptions, export
        from .places import opened, options_of

        by: Any = split_by
        options = ExportOptions(to, sample_rate, SplitRule(validation, seed, by))
        place = target if target is not None else f"{output.rstrip('/')}-{to}"
        source = opened(output, endpoint_url, region)
        console = Console(stderr=True)
        with console.status("exporting") as status:

            def show(number: int) -> None:
                if number % 100 == 0:
                    status.update(f"exported {number:,} clips")

            storage = open_storage(place, options_of(place, endpoint_url, region))
            result = export(source, storage, options, overwrite=overwrite, progress=show)
        if as_json:
            print(json.dumps(asdict(result)))
            return
        there = "" if result.is_new else " (complete before; nothing was written)"
        print(
            f"{result.num_clips:,} clips, {result.num_train:,} for training and {result.num_validation:,} for "
            f"validation, in {result.location}{there}"
        )
        if validation and not result.num_validation:
            print("No clip is for validation: the share is small; take a larger --validation, or another --seed.")
        if not result.is_source_complete:
            print("The output is not complete: these are the clips that it has now.")
