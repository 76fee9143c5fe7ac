"""Runs the sections, each in a process of its own that is ended after a minute; one table and one file of figures.

python -m gpu [--only SECTION …] [--out FOLDER] [--dry-run]     (in the folder benchmarks)
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from .weights import TESTS, Bench

SECTIONS = ("prepare", "parity", "memory", "batches", "engine", "first_audio", "ports", "replicas")
LIMIT_S = 60
HERE = Path(__file__).parent.parent


def main() -> None:
    """Run one section if it is named by `--section`, else all that are wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "gpu")
    parser.add_argument("--weights", type=Path, default=Path(tempfile.gettempdir()) / "speechmill-gpu-weights")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds of a section")
    parser.add_argument("--dry-run", action="store_true", help="on the pretended device of the tests; no figures")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.section:
        run_section(arguments.section, arguments.out, Bench(arguments.weights, arguments.dry_run))
        return
    found = {name: _in_a_process(name, arguments) for name in arguments.only}
    (arguments.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    for name, section in found.items():
        print(f"\n{name}: {section['state']}, {section.get('seconds', 0):.1f} s")
        for key, value in section.get("figures", {}).items():
            print(f"  {key:28} {_words(value)}")
    print(f"\n{arguments.out / 'gpu.json'}")
    if any(section["state"] != "done" for section in found.values()):
        raise SystemExit(1)


def run_section(name: str, out: Path, bench: Bench) -> None:
    """Run a section here, and write its file after each figure: what was found stays if it is ended."""
    import torch

    if bench.is_tiny:
        sys.path.append(str(TESTS))
        from support.pretend_cuda import PretendCuda

        device: Any = PretendCuda()
        torch.set_num_threads(1)
    elif not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU here; --dry-run needs none")
    else:
        device = nullcontext()
    began = time.perf_counter()
    with device:
        facts = {"torch": torch.__version__, "device": torch.cuda.get_device_name(), "host": platform.machine()}
        figures: dict[str, Any] = {}
        section: dict[str, Any] = {"state": "begun", **facts, "dry_run": bench.is_tiny, "figures": figures}
        for key, value in importlib.import_module(f"gpu.{name}").run(bench):
            figures[key] = value
            section["seconds"] = time.perf_counter() - began
            _write(out / f"{name}.json", section)
    section["state"] = "done"
    _write(out / f"{name}.json", section)


def _in_a_process(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a section has found, until it was done, failed or was ended."""
    file = arguments.out / f"{name}.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "gpu", "--section", name, "--out", str(arguments.out.resolve())]
    command += ["--weights", str(arguments.weights.resolve()), *(["--dry-run"] if arguments.dry_run else [])]
    state, words = "", ""
    try:
        done = subprocess.run(command, cwd=HERE, timeout=arguments.limit, capture_output=True, text=True, check=False)
        if done.returncode:
            state, words = f"failed with status {done.returncode}", done.stderr[-2_000:]
    except subprocess.TimeoutExpired:
        state = f"ended after {arguments.limit:g} s"
    section: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"figures": {}}
    if state:
        section |= {"state": state, "error": words}
        print(words, file=sys.stderr)
    return section


def _write(file: Path, section: dict[str, Any]) -> None:
    file.write_text(json.dumps(section, indent=1) + "\n")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{key} {_words(part)}" for key, part in list(value.items())[:6])
    return f"{value:,.4g}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    main()
