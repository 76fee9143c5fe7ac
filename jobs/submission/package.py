"""What is sent along with a job: the job file, a few lines that start it, the rows that an update is limited to, and
speechmill itself where it lacks.

speechmill goes as plain files (`py_modules`), not as a wheel. A wheel is installed on every node by the `pip` that
happens to be on the head's path, with all that it depends on: that takes a package index, and minutes. A folder is
unpacked, and put before what is installed. It is taken from the imported package, so that a checkout and an installed
wheel are sent alike, with the few lines of metadata from which `importlib.metadata` reads the version.

Guaranteed: source files of the package, the given job and rows, nothing else; no value of this process's environment.
Ray names a package by its content: the second job of the same speechmill uploads only its job file and rows.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .driver_options import DriverOptions

JOB_FILE = "job.json"
ROWS_FILE = "rows.jsonl"
LAUNCHER = "speechmill_job.py"
STOP_WAIT_S = 30
"""How long Ray waits for a driver that it asked to stop: to end replicas, and to give the lease back."""

_ROOT = Path(__file__).parents[2]
_LAYERS = ("actors", "cluster", "jobs")
_BUILDS = "setup.py"
"""Lies beside the package's own files in a checkout, and is none of them."""
_SUFFIXES = frozenset({".py", ".typed", ".tsv", ".html", ".css", ".js", ".j2", ".svg", ".flac"})


def entrypoint(options: DriverOptions) -> str:
    """The command that the head runs. By `exec`, so that a signal to the job reaches the driver alone."""
    sent = replace(options, rows=None if options.rows is None else ROWS_FILE)
    return " ".join(["exec python", LAUNCHER, JOB_FILE, *sent.words])


def source_files() -> list[Path]:
    """The package's files, relative to its root: what imports need, whatever else lies in a checkout."""
    found = [path for path in _ROOT.iterdir() if path.is_file() and path.name != _BUILDS]
    for layer in _LAYERS:
        found += (path for path in (_ROOT / layer).rglob("*") if path.is_file())
    relative = (path.relative_to(_ROOT) for path in found if path.suffix in _SUFFIXES)
    return sorted(path for path in relative if not any(part.startswith((".", "__pycache__")) for part in path.parts))


@contextmanager
def runtime_env(
    job: Mapping[str, Any], *, with_speechmill: bool, rows: Mapping[str, int | None] | None = None
) -> Generator[dict[str, Any]]:
    """Ray's `runtime_env` for a job file; the folders that it names last as long as the block.

    Args:
        job: The job file as plain values.
        with_speechmill: Whether the package goes along.
        rows: Ids of `--rows`, each with its seed if it has one; None for no such file.
    """
    with TemporaryDirectory(prefix="speechmill-") as temporary:
        folder = Path(temporary)
        work = folder / "job"
        work.mkdir()
        (work / JOB_FILE).write_text(json.dumps(job, indent=2, ensure_ascii=False), encoding="utf-8")
        if rows is not None:
            lines = (
                json.dumps({"id": row} if seed is None else {"id": row, "seed": seed}) for row, seed in rows.items()
            )
            (work / ROWS_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        shutil.copyfile(Path(__file__).with_name("launcher.py"), work / LAUNCHER)
        env: dict[str, Any] = {
            "working_dir": str(work),
            "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)},
        }
        if with_speechmill:
            env["py_modules"] = [str(_copy_package(folder)), str(_write_metadata(folder))]
        yield env


def _copy_package(folder: Path) -> Path:
    root = folder / "speechmill"
    for path in source_files():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_ROOT / path, root / path)
    return root


def _write_metadata(folder: Path) -> Path:
    number = version("speechmill")
    info = folder / f"speechmill-{number}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.1\nName: speechmill\nVersion: {number}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")
    return info
