"""`speechmill text`: what would be said of a text, or of the first rows of a job."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..run.exit_status import ExitStatus
from .exits import reported
from .options import JsonOption, SetOption


def text_preview(
    source: Annotated[str, typer.Argument(metavar="TEXT|JOB.YAML", help="A text, or a job file whose rows are shown.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows of the job.")] = 20,
    model: Annotated[str, typer.Option(help="The model of a text, as model.name in a job.")] = "hibari",
    voice: Annotated[str, typer.Option(help="One of its voices.")] = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would be said: the spoken form, segments, tokens, what is left out, seconds. Speaks nothing."""
    with reported():
        from ..api import Job

        if Path(source).suffix in (".yaml", ".yml"):
            found = Job.load(source, overrides).text(rows=rows)
        else:
            found = [_text(source, model, voice, overrides or [])]
        failed = 0
        for preview in found:
            failed += bool(preview.error)
            if as_json:
                print(json.dumps(asdict(preview), ensure_ascii=False))
            else:
                _show(preview)
        raise typer.Exit(ExitStatus.well(not failed))


def _text(text: str, model: str, voice: str, overrides: list[str]) -> Any:
    from ..preview.preview import preview_text
    from ..spec.job import JobSpec

    settings = [f"model.name={json.dumps(model)}", f"model.voice={json.dumps(voice)}", *overrides]
    spec = JobSpec.load(None, ["input.uri=text", "output.uri=text", *settings])
    return preview_text(spec, text)


def _show(preview: Any) -> None:
    from ..corpus.printable import printable

    name = f"{preview.id}: " if preview.id else ""
    print(f"{name}{printable(preview.text, 2_000)}")
    if preview.error:
        print(f"  fails      {printable(preview.error)}")
        return
    for number, line in enumerate(_lines(preview)):
        print(f"  {'spoken' if not number else '':11}{line}")
    if preview.unspoken:
        print(f"  unspoken   {printable(' '.join(preview.unspoken))}")
    num_tokens = sum(segment.num_tokens for segment in preview.segments)
    print(f"  segments   {len(preview.segments)}, {num_tokens} tokens, about {preview.audio_s:.1f} s")


def _lines(preview: Any) -> Iterable[str]:
    from ..corpus.printable import printable

    for segment in preview.segments:
        pause = f"({segment.pause_s:g} s) " if segment.pause_s else ""
        yield f"{pause}{printable(segment.text, 2_000)}"
