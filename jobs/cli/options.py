"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

SourceArgument = Annotated[
    str, typer.Argument(metavar="JOB.YAML|CORPUS", help="A job file; or a corpus (csv, jsonl, txt, …), with -o.")
]
OutputOption = Annotated[
    str | None, typer.Option("-o", "--output", metavar="OUT", help="A folder or s3://bucket/prefix, as output.uri.")
]
VoiceOption = Annotated[str | None, typer.Option("--voice", help="As model.voice; `speechmill voices` lists them.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="As model.name; `speechmill voices` lists them.")]
JobFileArgument = Annotated[str, typer.Argument(metavar="JOB.YAML", help="The job file.")]
OutputArgument = Annotated[str, typer.Argument(metavar="OUT", help="The job's output.uri.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key, as in model.batch_size=16.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
EndpointOption = Annotated[str | None, typer.Option(help="S3 endpoint, if it is not AWS.")]
RegionOption = Annotated[str | None, typer.Option(help="S3 region.")]
RepairOption = Annotated[
    bool, typer.Option("--repair", help="Verify the output first, and speak again what is missing or damaged.")
]
UpdateOption = Annotated[
    bool, typer.Option("--update", help="The corpus has changed: keep the clips that still fit, speak the rest.")
]
RetryOption = Annotated[
    bool, typer.Option("--retry-failed", help="Speak the rows again that failed as they were spoken.")
]
RowsOption = Annotated[
    str | None, typer.Option("--rows", metavar="FILE", help="Speak no other rows than these: ids, or JSON lines.")
]
