"""The command line: `speechmill run | plan | text | say | serve | status | verify | report | judge | export | weights`.

Beside them `voices | alignment | check-model | check-judge`, and `submit | list | logs | stop`, for jobs on a cluster.

Exit status: 0 every row spoken (or within the allowance), 1 rows failed beyond it or `verify` found damage,
2 the job itself is wrong, 3 the run had to stop and can be continued, 130 interrupted, 141 standard output was closed
by its reader.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from ...errors import SpecError
from ..run.exit_status import ExitStatus
from . import submission as commands
from .alignment import alignment
from .check_judge import check_judge
from .check_model import check_model
from .exits import continued_by_the_same_command, ended_with_its_reader, reported, terminated_like_interrupted
from .export import export_output
from .judge import judge
from .options import (
    EndpointOption,
    JsonOption,
    ModelOption,
    OutputArgument,
    OutputOption,
    RegionOption,
    RepairOption,
    RetryOption,
    RowsOption,
    SetOption,
    SourceArgument,
    UpdateOption,
    VoiceOption,
)
from .places import opened
from .report import report
from .text import text_preview
from .voices import voices

app = typer.Typer(
    help="Turns a text corpus into a speech corpus. Run a job file, look at what it did.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"speechmill {version('speechmill')}")
        raise typer.Exit


@app.callback()
def speechmill(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say the version, and end.")
    ] = False,
) -> None:
    """Turns a text corpus into a speech corpus. Run a job file, look at what it did."""


@app.command()
def run(
    source: SourceArgument,
    output: OutputOption = None,
    voice: VoiceOption = None,
    model: ModelOption = None,
    overrides: SetOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew; what the output holds is deleted.")
    ] = False,
    repair: RepairOption = False,
    update: UpdateOption = False,
    retry_failed: RetryOption = False,
    rows: RowsOption = None,
    trace: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write what each replica spoke when, for Perfetto.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a job, or continue it where it stopped.

    Examples:
        speechmill run corpus.csv -o out/

        speechmill run job.yaml --set model.voice=emma
    """
    with reported():
        from .display import display_for
        from .source import job_of, shown

        job, is_corpus = job_of(source, overrides, output=output, voice=voice, model=model)
        if is_corpus:
            print(shown(job), file=sys.stderr)
        display = display_for(job.spec.name, as_json=as_json)
        # Ray prints its notices; standard output is for results alone.
        with (
            continued_by_the_same_command(display),
            terminated_like_interrupted(),
            redirect_stdout(sys.stderr),
            display,
        ):
            result = job.run(
                overwrite=overwrite,
                repair=repair,
                update=update,
                retry_failed=retry_failed,
                rows=rows,
                observe=display,
                trace=trace,
            )
        if as_json:
            print(
                json.dumps({"event": "result", **asdict(result), "rtfx": result.rtfx, "batch_fill": result.batch_fill})
            )
        else:
            from .tables import show_result

            show_result(result, Console())
            if (update or retry_failed) and not result.new_rows:
                print("Nothing was left to speak: every row of the corpus has what the output holds of it.")
        raise typer.Exit(result.exit_code)


@app.command()
def plan(
    source: SourceArgument,
    output: OutputOption = None,
    voice: VoiceOption = None,
    model: ModelOption = None,
    overrides: SetOption = None,
    measure: Annotated[bool, typer.Option("--measure", help="Load the model here and measure its batches.")] = False,
    update: UpdateOption = False,
    retry_failed: RetryOption = False,
    rows: RowsOption = None,
    details: Annotated[bool, typer.Option("--details", help="Also what batches are predicted to cost.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a job would do: rows, audio, time. Starts nothing, writes nothing."""
    with reported():
        from .source import job_of
        from .tables import show_plan

        job, _ = job_of(source, overrides, output=output, voice=voice, model=model)
        made = job.plan(measure=measure, update=update, retry_failed=retry_failed, rows=rows)
        for warning in made.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        if as_json:
            print(json.dumps(asdict(made) | {"wall_s": made.wall_s}))
        else:
            show_plan(made, Console(), has_details=details or measure)


@app.command()
def status(
    output: OutputArgument,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how far an output is, from the store alone."""
    with reported():
        from ..output.status import status as read_status
        from .tables import show_status

        found = read_status(opened(output, endpoint_url, region))
        if as_json:
            print(json.dumps(asdict(found)))
        else:
            show_status(found, Console())
        raise typer.Exit(ExitStatus.well(not found.is_damaged))


@app.command(name="say")
def say_text(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - reads standard input as it arrives.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="wav, flac, opus, mp3; - for a WAV stream.")
    ] = None,
    model: Annotated[str, typer.Option(help="The model, as model.name in a job.")] = "hibari",
    voice: Annotated[str, typer.Option(help="One of its voices.")] = "",
    seed: Annotated[int, typer.Option(help="All randomness comes from it.")] = 0,
    speed: Annotated[float, typer.Option(help="1 is the voice's own pace.")] = 1.0,
    reference: Annotated[
        str | None, typer.Option(metavar="FILE", help="A recording to speak with the voice of.")
    ] = None,
    reference_text: Annotated[str, typer.Option(metavar="WORDS", help="The words in the recording.")] = "",
    path: Annotated[str | None, typer.Option(metavar="DIR", help="Weights, as model.path in a job.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    chunk_size: Annotated[
        str, typer.Option("--streaming-text-chunk-size", metavar="TOKENS", help="Least of a piece; none: sentences.")
    ] = "auto",
) -> None:
    """Say a text now, through the player or into a file, the first sound as soon as possible.

    `speechmill voices` lists models and voices. Examples:

        speechmill say "The kettle is on."

        speechmill say "Good morning." --voice emma -o morning.mp3
    """
    with reported(), terminated_like_interrupted():
        from ..say.command import say_aloud

        how: dict[str, Any] = {"model": model, "voice": voice, "seed": seed, "speed": speed}
        how |= {"path": path, "device": device, "reference": reference and (reference, reference_text)}
        line = say_aloud(text, output, **how, streaming_text_chunk_size=_chunk_size(text, chunk_size))
        if line is not None:
            print(line, file=sys.stderr)


@app.command()
def serve(
    service_file: Annotated[
        str | None, typer.Argument(metavar="[SERVICE.YAML]", help="Left out: all defaults.")
    ] = None,
    overrides: SetOption = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines without a token.")] = False,
) -> None:
    """Serve speech over HTTP, by OpenAI's API and a page, the first sound as soon as possible."""
    with reported():
        from ..service.serve import run_service
        from ..service.spec import ServiceSpec

        run_service(ServiceSpec.load(service_file, overrides), insecure=insecure)


@app.command()
def weights(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL] [DIR]", help="chattts, f5tts, kokoro or minicpmo; a folder to check."),
    ] = None,
    random: Annotated[str | None, typer.Option("--random", metavar="DIR", help="Write random weights there.")] = None,
    size: Annotated[str, typer.Option(help="Of random weights: full (over 1 GB) or tiny.")] = "full",
    seed: Annotated[int, typer.Option(help="Of random weights.")] = 0,
    voices_of: Annotated[str | None, typer.Option("--voices", help="Of kokoro: npm fetches all 54 voices.")] = None,
) -> None:
    """Check the weights of a model in a folder, fetch the published ones, or write random ones."""
    with reported():
        from pathlib import Path

        from .weights import check_f5tts, check_kokoro, check_minicpmo, check_weights, split_arguments, write_weights

        model, folder = split_arguments(arguments or [])
        if random is not None:
            if folder is not None:
                raise SpecError("weights takes a folder to check, or --random with a folder to write; not both")
            lines = write_weights(model, Path(random), size, seed)
        elif model == "kokoro":
            lines = check_kokoro(folder, voices_of)
        elif voices_of is not None:
            raise SpecError("--voices belongs to kokoro: speechmill weights kokoro --voices npm")
        elif model == "minicpmo":
            lines = check_minicpmo(folder)
        elif model == "f5tts":
            lines = check_f5tts(folder)
        else:
            lines = check_weights(folder)
        print(*lines, sep="\n")


@app.command()
def verify(
    output: OutputArgument,
    sweep: Annotated[bool, typer.Option("--sweep", help="Delete objects that belong to no committed part.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Sweep an output that is not complete.")] = False,
    no_decode: Annotated[bool, typer.Option("--no-decode", help="Check hashes, do not decode the audio.")] = False,
    corpus: Annotated[bool, typer.Option("--corpus", help="Compare every row with the job's corpus too.")] = False,
    corpus_at: Annotated[
        str | None, typer.Option("--corpus-at", metavar="URI", help="The same; the corpus lies there by now.")
    ] = None,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check an output from its objects alone: every row once, every clip there, whole and right."""
    with reported():
        from ..output.output_file import OutputFile
        from ..verify import corpus_of
        from ..verify import verify as check
        from .tables import show_verified

        storage = opened(output, endpoint_url, region)
        compared = corpus_of(OutputFile.load(storage), corpus_at) if corpus or corpus_at else None
        report = check(storage, decode=not no_decode, sweep=sweep, force=force, corpus=compared)
        if as_json:
            print(json.dumps(asdict(report) | {"is_ok": report.is_ok}))
        else:
            show_verified(report, Console())
        raise typer.Exit(ExitStatus.well(report.is_ok))


commands.register(app)
app.command("check-judge")(check_judge)
app.command("check-model")(check_model)
app.command("export")(export_output)
app.command("judge")(judge)
app.command("report")(report)
app.command("alignment")(alignment)
app.command("text")(text_preview)
app.command("voices")(voices)


def main() -> None:
    """Run the command line."""
    with ended_with_its_reader():
        app()


def _chunk_size(text: str, value: str) -> int | str | None:
    """The option as `say` takes it; a text that is an argument is there as a whole, though it is read in parts."""
    if value == "none" or (value == "auto" and text != "-"):
        return None
    return int(value) if value.isdecimal() and len(value) < 10 else value
