"""All benchmarks at full size, one after the other, and the page of their figures.

Each is a process. One that fails does not stop the others: it keeps the section that it has on the page, is named at
the end, and the status is 1 then. The page is written after each, and other sections stay as they are. It takes hours,
and nothing else should run on the machine. What needs upstream chattts is left out, or compares with nothing, unless
`--peer PYTHON` names it (`chattts_parity.py` says how to make its virtual environment).

    python benchmarks/all.py [--only NAME ...] [--peer PYTHON] [--page FILE.md] [--tiny]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import ProgramFailed, parsed, report_of
from lib.figures_page import Run, page_of, section_of, sections_of

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "figures.md"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A program of this folder.

    arguments          of a run at full size, where it has other defaults
    takes_peer         whether it compares with upstream chattts where that is named
    needs_peer         whether it does nothing else
    """

    program: Path
    title: str
    arguments: tuple[str, ...] = ()
    takes_peer: bool = False
    needs_peer: bool = False


def _named(name: str, title: str, *arguments: str, takes_peer: bool = False, needs_peer: bool = False) -> Benchmark:
    return Benchmark(HERE / f"{name}.py", title, arguments, takes_peer, needs_peer)


BENCHMARKS = {
    benchmark.program.stem: benchmark
    for benchmark in (
        _named("throughput", "The main job, the voice's own package and Ray Data"),
        _named("batching", "Automatic and fixed batches", "--adversarial", "1000000"),
        _named("gate", "What judges cost"),
        _named("scale", "Planning and resuming large corpora; replicas that end together"),
        _named("driver_memory", "The driver's memory"),
        _named("driver", "What a row costs beside the model"),
        _named("chaos", "A job while everything breaks"),
        _named("chattts", "ChatTTS, rows of a job", takes_peer=True),
        _named("pages", "ChatTTS, memory by slots and by pages"),
        _named("step", "ChatTTS, one step: operators and time"),
        _named("streaming", "ChatTTS, streams", takes_peer=True),
        _named("duplex", "MiniCPM-o, texts that arrive"),
        _named("f5tts", "F5-TTS, rows of a job", "--rows", "64", "--steps", "2", "--layers", "2"),
        _named("chattts_parity", "ChatTTS against upstream, number by number", takes_peer=True, needs_peer=True),
        _named("text", "The front end, and what it replaces"),
        _named("kokoro", "Kokoro, by batch and number format"),
        _named("quality", "Planted faults, and the judges that catch them"),
        _named("text_chunks", "The size of a chunk of text"),
        _named("service", "Speech over HTTP"),
        _named("starts", "Cold starts"),
    )
}


def main() -> None:
    """Run what was asked for; status 1 if any of it failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--peer", help="Python of a virtual environment with chattts 0.2.5")
    parser.add_argument("--page", type=Path, default=PAGE, help="default: docs/figures.md")
    arguments = parsed(parser, "each with --tiny, without --peer, on another page", peer=None)
    if arguments.tiny and arguments.page.resolve() == PAGE.resolve():
        parser.error("figures of tiny runs say nothing: name another file with --page")
    chosen = [name for name in BENCHMARKS if name in (arguments.only or BENCHMARKS)]
    for name in [name for name in chosen if BENCHMARKS[name].needs_peer and not arguments.peer]:
        if arguments.only:
            parser.error(f"{name} needs --peer, and has no --tiny")
        print(f"{name} is left out: it needs --peer", file=sys.stderr)
        chosen.remove(name)
    failed = run_all(BENCHMARKS, chosen, arguments.page, arguments.peer, is_tiny=bool(arguments.tiny))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def run_all(
    benchmarks: Mapping[str, Benchmark], chosen: Sequence[str], page: Path, peer: str | None, *, is_tiny: bool
) -> list[str]:
    """Run the chosen ones and put their sections on the page; the names of those that failed."""
    titles = {name: benchmark.title for name, benchmark in benchmarks.items()}
    failed: list[str] = []
    for number, name in enumerate(chosen, 1):
        print(f"{number}/{len(chosen)} {name} …", file=sys.stderr)
        try:
            run = run_of(benchmarks[name], peer, is_tiny=is_tiny)
        except ProgramFailed as error:
            print(error, file=sys.stderr)
            failed.append(name)
            continue
        # Read only now: it took long, and the page may have changed.
        sections = sections_of(page.read_text(encoding="utf-8")) if page.exists() else {}
        page.write_text(page_of(sections | {name: section_of(run)}, titles), encoding="utf-8")
        print(run.tables, flush=True)
    return failed


def run_of(benchmark: Benchmark, peer: str | None, *, is_tiny: bool) -> Run:
    """One run. Raises ProgramFailed."""
    arguments = ["--tiny"] if is_tiny else list(benchmark.arguments)
    has_peer = benchmark.takes_peer and peer is not None
    report = report_of([str(benchmark.program), *arguments, *(["--peer", str(peer)] if has_peer else [])])
    # The peer's place is this machine's own.
    typed = ["python", f"benchmarks/{benchmark.program.name}", *arguments, *(["--peer", "PYTHON"] if has_peer else [])]
    return Run(benchmark.title, " ".join(typed), time.strftime("%Y-%m-%d"), report.tables, report.figures)


if __name__ == "__main__":
    main()
