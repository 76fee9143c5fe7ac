"""What `run` and `plan` are given: a job file, or a corpus and a place for its speech.

A corpus on the command line is a job file that has not been written yet: `shown` writes it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import SpecError
from ..api import Job
from ..corpus.files import EXTENSIONS
from ..corpus.printable import printable
from ..spec.job import JobSpec

_JOB_FILES = (".yaml", ".yml", ".json")
_SHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_DOCUMENTS = (".docx", ".doc", ".pdf", ".epub", ".html", ".htm")


def job_of(
    source: str, overrides: list[str] | None = None, *, output: str | None, voice: str | None, model: str | None
) -> tuple[Job, bool]:
    """The job that a command line means, and whether its source is a corpus.

    Args:
        source: A job file, or path or URI of a corpus
        output, voice, model: As in the job file; they go before what a job file says, and after --set

    Raises:
        SpecError: The job is wrong, or there is no place for the speech
    """
    is_corpus = _is_corpus(source)
    given = {"output.uri": output, "model.voice": voice, "model.name": model}
    options = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items() if value is not None]
    if not is_corpus:
        return Job.load(source, [*options, *(overrides or [])]), False
    if not any(option.startswith(("output.uri=", "output={")) for option in [*options, *(overrides or [])]):
        raise SpecError(
            f"{printable(source, 200)} is a corpus: say where its speech goes, as in `speechmill run "
            f"{printable(source, 200)} -o out/`; or name a job file (docs/job.md)"
        )
    pairs = [f"input.uri={json.dumps(source, ensure_ascii=False)}", *options, *(overrides or [])]
    return Job.of(JobSpec.load(None, pairs)), True


def shown(job: Job) -> str:
    """The job file that means the same."""
    import yaml

    given: dict[str, Any] = job.spec.model_dump(mode="json", exclude_unset=True)
    told = yaml.safe_dump(given, default_flow_style=None, sort_keys=False, allow_unicode=True, width=1_000)
    return f"# the same as a job file (docs/job.md has all keys):\n{told}"


def _is_corpus(source: str) -> bool:
    """Whether a source is a corpus.

    Raises:
        SpecError: It is a file that is neither
    """
    name = source.rpartition("/")[2].lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix in _JOB_FILES:
        return False
    if suffix in EXTENSIONS or "://" in source:
        return True
    if suffix in _SHEETS:
        raise SpecError(f"{printable(source, 200)} is a spreadsheet: save it as CSV (UTF-8), and run that")
    if suffix in _DOCUMENTS:
        raise SpecError(f"{printable(source, 200)} is a document: save its text as .txt, a line a row, and run that")
    if any(mark in source for mark in "*?["):
        return True
    try:
        return Path(source).is_dir()
    except (OSError, ValueError):  # too long for a name, or with a NUL: the job file that is not there says so
        return False
