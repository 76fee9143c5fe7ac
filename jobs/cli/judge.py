"""`speechmill judge`: a speech corpus is heard, and what failed is listed; or judges are calibrated on it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ..run.exit_status import ExitStatus
from .exits import reported, stop, terminated_like_interrupted
from .options import EndpointOption, JsonOption, RegionOption

if TYPE_CHECKING:
    from ..judging.judging import JudgingProgress

_LINE_S = 1.0
_LOG_S = 30.0


def judge(
    corpus: Annotated[
        str,
        typer.Argument(metavar="CORPUS", help="An output, a table of texts and clips, a glob of tars; or a folder."),
    ],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="URI", help="Folder of the results; CORPUS.judged by default."),
    ] = None,
    judges: Annotated[str, typer.Option(metavar="NAMES", help="Judges, commas between; own ones as module:Class.")] = (
        "signal,duration"
    ),
    options: Annotated[
        list[str] | None, typer.Option("--option", metavar="JUDGE.KEY=VALUE", help="An option of a judge, as YAML.")
    ] = None,
    calibration: Annotated[str | None, typer.Option(metavar="FILE", help="What --calibrate wrote.")] = None,
    share: Annotated[float, typer.Option(help="Of the clips, what judges hear that cost much.")] = 1.0,
    calibrate: Annotated[
        int | None, typer.Option(metavar="N", help="Set thresholds by N ordinary clips; judge nothing.")
    ] = None,
    false_rejects: Annotated[float, typer.Option(help="With --calibrate: the share that a judge may reject.")] = 0.01,
    format: Annotated[str, typer.Option(help="output, jsonl, csv, tsv, ljspeech, filelist, parquet, webdataset.")] = (
        "auto"
    ),
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="The text.")] = None,
    audio: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The clip's path; or as in wavs/{id}.wav.")
    ] = None,
    normalized: Annotated[str | None, typer.Option(metavar="COLUMN", help="The text as it should be heard.")] = None,
    id: Annotated[str, typer.Option(metavar="COLUMN", help="The row's id.")] = "id",
    voice: Annotated[str, typer.Option(metavar="COLUMN", help="The voice.")] = "voice",
    root: Annotated[str | None, typer.Option(metavar="URI", help="Where relative paths of clips begin.")] = None,
    language: Annotated[str, typer.Option(help="Of all rows, as in en; by default what the corpus says.")] = "",
    device: Annotated[str, typer.Option(help="Of the judges: cpu or cuda.")] = "cpu",
    workers: Annotated[str, typer.Option(help="Processes; 0: this one; auto: by the work and the cluster.")] = "auto",
    address: Annotated[str, typer.Option(help="Of the Ray cluster, as cluster.address in a job.")] = "local",
    cpus: Annotated[float, typer.Option("--cpus-per-worker", help="Cores of each worker.")] = 1.0,
    gpus: Annotated[float, typer.Option("--gpus-per-worker", help="GPUs, or a share of one.")] = 0.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Judge anew what was judged.")] = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge each clip of a corpus, ours or not, and list the rows to speak again. Exit status 1 if there are any."""
    with reported():
        from ...cluster.storage import S3Options
        from ..judging.audio_corpus import AudioCorpusOptions
        from ..judging.calibrating import calibrate as measure
        from ..judging.ears import JudgingOptions
        from ..judging.judging import WorkerPlace, checked, default_output, judge_corpus
        from .judge_tables import show_calibration, show_judging

        show = None if as_json else _shown()
        s3 = S3Options(endpoint_url, region)
        found = AudioCorpusOptions(
            checked(corpus), format, text, audio, normalized, id, voice, root=root, language=language, s3=s3
        )
        names = tuple(filter(None, map(str.strip, judges.split(","))))
        how = JudgingOptions(names, _options(options or [], names), calibration, share, device)
        if calibrate is not None:
            file = output or f"{default_output(corpus).removesuffix('.judged')}.calibration.json"
            calibrated = measure(found, checked(file), how, calibrate, false_rejects)
            if as_json:
                print(json.dumps(calibrated.body))
            else:
                show_calibration(calibrated, Console())
            return
        where = WorkerPlace(_workers(workers), address, cpus, gpus)
        folder = output or default_output(corpus)
        try:
            with terminated_like_interrupted():
                summary = judge_corpus(found, folder, how, where, overwrite=overwrite, observe=show)
        except KeyboardInterrupt:
            stop(
                f"Stopped. What is judged in {folder} stays; run the same command to continue.", ExitStatus.INTERRUPTED
            )
        if as_json:
            print(json.dumps(summary.body))
        else:
            if sys.stderr.isatty():
                print(end="\r\x1b[K", file=sys.stderr, flush=True)
            show_judging(summary, Console())
        raise typer.Exit(ExitStatus.well(summary.is_ok))


def _options(pairs: list[str], names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    from ...errors import SpecError
    from ..spec.overrides import read_pair

    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        # The name of a class of one's own has dots in it.
        name = next((name for name in names if pair.startswith(f"{name}.")), None)
        if name is None:
            raise SpecError(f'--option "{pair:.80}" must begin with a judge of --judges: signal.gap_s=1.5')
        key, value = read_pair(pair.removeprefix(f"{name}."), "--option", "signal.gap_s=1.5")
        found.setdefault(name, {})[key] = value
    return found


def _workers(value: str) -> int | str:
    from ...errors import SpecError

    if value != "auto" and not (value.isdecimal() and len(value) < 6):
        raise SpecError(f"--workers {value:.40}: must be a number or auto")
    return value if value == "auto" else int(value)


def _shown() -> Callable[[JudgingProgress], None]:
    """Shows how far a judging is: a line that changes on a terminal, a line now and then in a log."""
    is_terminal = sys.stderr.isatty()
    every_s = _LINE_S if is_terminal else _LOG_S
    last_s = time.monotonic() - (every_s if is_terminal else 0.0)

    def show(progress: JudgingProgress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s < every_s:
            return
        last_s = time.monotonic()
        speed = progress.heard_s / max(progress.wall_s, 1e-9)
        before = f" ({progress.num_done:,} before)" if progress.num_done else ""
        line = (
            f"{progress.num_heard:,} clips heard{before}, {progress.num_rejected:,} rejected, "
            f"{progress.num_unheard:,} unheard; {speed:,.0f} times real time"
        )
        print(f"\r\x1b[K{line}" if is_terminal else line, end="" if is_terminal else "\n", file=sys.stderr, flush=True)

    return show
