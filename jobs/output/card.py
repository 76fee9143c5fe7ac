"""The dataset card of an output, `README.md`: what is in it, who made it, and which files `datasets` loads.

Guaranteed: a `README.md` that a run did not write is left as it is. The card is no part of any commit: a run writes it
before it marks the output as complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...actors.records.keys import AUDIO_PREFIX, CARD_KEY, METADATA_KEY, TEXT_PREFIX
from ...cluster.storage import Storage
from ...errors import StorageMissing
from ..corpus.printable import printable
from .bounded_read import TooLarge, get_bounded
from .complete import Complete
from .identity import JobFile

MARK = "<!-- Written by speechmill. Remove this line to keep your own changes. -->"
_EXTENSIONS = {"webdataset": "tar", "parquet": "parquet"}


def write_card(storage: Storage, job: JobFile, complete: Complete) -> None:
    """Write the card, unless there is a `README.md` that a run did not write."""
    if _is_ours(storage) is not False:
        storage.put(CARD_KEY, card(job, complete).encode("utf-8", "backslashreplace"))


def delete_companions(storage: Storage, job: JobFile) -> None:
    """Delete the card and the table of a job that is begun anew; a `README.md` that no run wrote stays."""
    output: Mapping[str, Any] = job.spec.get("output", {})
    keys = [METADATA_KEY] if output.get("container") == "files" else []
    storage.delete([*keys, *([CARD_KEY] if _is_ours(storage) else [])])


def _is_ours(storage: Storage) -> bool | None:
    """Whether a run has written `README.md`; None if there is none."""
    try:
        return MARK.encode() in get_bounded(storage, CARD_KEY)
    except StorageMissing:
        return None
    except TooLarge:
        return False


def card(job: JobFile, complete: Complete) -> str:
    """The card of a complete output, in Markdown with a YAML header."""
    output: Mapping[str, Any] = job.spec.get("output", {})
    is_text = job.spec.get("task") == "refine"
    made = job.provenance
    licence = str(made.get("weights_licence") or "")
    name = printable(str(job.spec.get("name", "speechmill")))
    figures = {
        "rows": f"{complete.num_rows:,}, of which {complete.num_failed:,} failed",
        "audio": "" if is_text else f"{complete.audio_s / 3600:,.2f} h, {output.get('audio')}, mono, 16 bit",
        "model": f"{made.get('model', '')} ({made.get('model_revision', '')})",
        "licence of its weights": licence or "not known",
        "made with": f"speechmill {job.version}",
    }
    lines = [
        "---",
        f"pretty_name: {json.dumps(name)}",
        *([] if is_text else ["task_categories:", "- text-to-speech"]),
        "tags:",
        *([] if is_text else ["- synthetic-speech"]),
        "- speechmill",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path:",
        *(f"    - {json.dumps(pattern)}" for pattern in data_files(output, is_text=is_text)),
        "---",
        MARK,
        "",
        f"# {_cell(name)}",
        "",
        "Texts as they are spoken, refined by a model."
        if is_text
        else "**Synthetic speech.** A model has spoken every clip; no person has.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {key} | {_cell(value)} |" for key, value in figures.items() if value),
        "",
        *(
            [f"The weights are licensed {_cell(licence)}: what they make is not for commercial use.", ""]
            if "-NC" in licence.upper()
            else []
        ),
        "Every row, with its text, voice, seed and hashes, is in `manifest/`, failed ones with their reasons; the job "
        "is in `job.json`.",
        "",
    ]
    return "\n".join(lines)


def data_files(output: Mapping[str, Any], *, is_text: bool) -> list[str]:
    """The patterns of the files that are the data, relative to the output."""
    if is_text:
        return [f"{TEXT_PREFIX}*.jsonl"]
    container = str(output.get("container"))
    if container == "files":
        return [METADATA_KEY, f"{AUDIO_PREFIX}**"]
    return [f"{AUDIO_PREFIX}{'*/' if output.get('key_prefixes') else ''}*.{_EXTENSIONS[container]}"]


def _cell(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", printable(text, 200))
