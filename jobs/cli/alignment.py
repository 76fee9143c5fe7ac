"""`speechmill alignment`: when each word of an output is heard, as TextGrid or CTM."""

from __future__ import annotations

from typing import Annotated

import typer

from ...errors import SpecError, did_you_mean
from .exits import reported
from .options import EndpointOption, OutputArgument, RegionOption


def alignment(
    output: OutputArgument,
    form: Annotated[str, typer.Option("--to", metavar="FORMAT", help="textgrid, a file a clip, or ctm.")] = "textgrid",
    target: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="A folder or s3:// URI.")] = "alignment",
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Write when each word is heard, of the rows whose model knows it."""
    with reported():
        from ...cluster.storage import S3Options, open_storage
        from ..export.alignment import FORMATS, export_alignment
        from .main import open_output

        if form not in FORMATS:
            raise SpecError(f"--to {form} is no format of alignments: {did_you_mean(form, FORMATS)}")
        storage = open_output(output, endpoint_url, region)
        made = export_alignment(storage, open_storage(target, S3Options(endpoint_url, region)), form)
        print(
            f"{target}: {made.num_rows:,} rows, {made.num_words:,} words; "
            f"{made.num_without:,} spoken rows have no alignment"
        )
