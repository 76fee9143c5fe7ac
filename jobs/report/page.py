"""The page of a report: one HTML file that needs nothing else.

Guaranteed: every text of the corpus is escaped by the template; a content policy in the page forbids all scripts but
its own, by hash, and every request but to the server that sent it. The same figures give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...actors.records.record import Record
from .collect import Collected
from .figures import groups_of, histograms, over_time, read_note, tiles, voice_rows
from .picks import Pick
from .sound import Sound
from .summary import MAX_FAILED
from .trace_file import Timeline

PAGE = Path(__file__).with_name("page")
MAX_TEXT = 2_000
"""Characters of a text that the page shows."""


HeardPiece = tuple[str, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Card:
    """A row as the page shows it.

    Attributes:
        heard: The text as spoken in pieces, words with the seconds where they are heard and None for what is between
            them; empty where that is not known
        search: Id, text and voice in small letters, for the filter
    """

    row: int
    id: str
    groups: tuple[str, ...]
    voice: str
    text: str
    spoken: str
    facts: tuple[str, ...]
    error: str
    sound: Sound | None
    heard: tuple[HeardPiece, ...]
    search: str


def render(
    made: Collected, *, made_at: str, version: str, seed: int, timeline: Timeline | None = None, is_served: bool = False
) -> bytes:
    """The page as UTF-8.

    Args:
        made: What it shows
        made_at: When it was made, for a person
        version: Of speechmill
        seed: With which rows were drawn
        timeline: Of the run, if there is a trace
        is_served: By `report --serve`, which plays all clips
    """
    import yaml
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    script = _file("report.js") + (_file("served.js") if is_served else "")
    sources = f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    own, asked = (" 'self'", "'self'") if is_served else ("", "'none'")
    policy = (
        f"default-src 'none'; script-src {sources}; style-src 'unsafe-inline'; img-src data:; media-src data:{own}; "
        f"connect-src {asked}; base-uri 'none'; form-action 'none'"
    )
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    scores, voices = voice_rows(made)
    shown: dict[str, Any] = {
        "policy": policy,
        "style": _file("report.css"),
        "script": script,
        "name": str(made.output.job.spec.get("name") or "Output"),
        "uri": made.state.output if made.state else "",
        "made_at": made_at,
        "version": version,
        "seed": seed,
        "is_served": is_served,
        "badge": badge(made),
        "driver": made.state.driver if made.state else "",
        "model": _model(made),
        "tiles": tiles(made),
        "read_note": read_note(made),
        "heard": made.level_dbfs.num_values,
        "problems": made.problems,
        "num_problems": made.num_problems,
        "groups": groups_of(made),
        "worst_by": made.worst_by,
        "cards": [card(pick, made.sounds.get(pick.record.row)) for pick in made.picks],
        "failed": [_card_of(record) for record in made.summary.failed],
        "num_failed": made.choice.totals.num_failed,
        "max_failed": MAX_FAILED,
        "reasons": made.summary.reasons.most_common(20),
        "histograms": histograms(made),
        "scores": scores,
        "voices": voices,
        "over_time": over_time(timeline) if timeline else [],
        "unread_lines": timeline.num_unread if timeline else 0,
        "job": yaml.safe_dump(dict(made.output.job.spec), sort_keys=False, allow_unicode=True, width=100),
        "fingerprint": made.output.job.identity.fingerprint,
    }
    text = environment.get_template("report.html.j2").render(shown)
    return text.encode("utf-8", "backslashreplace")  # a corpus may hold halves of surrogate pairs


def badge(made: Collected) -> tuple[str, str]:
    """The state of the output: its class in the style, and its words."""
    if made.num_problems:
        return "bad", "damaged"
    return ("good", "complete") if made.output.complete is not None else ("open", "unfinished")


def card(pick: Pick, sound: Sound | None = None) -> Card:
    """A picked row."""
    return _card_of(pick.record, pick.groups, sound)


def _card_of(record: Record, groups: tuple[str, ...] = (), sound: Sound | None = None) -> Card:
    spoken = record.normalized_text or record.refined or ""
    facts = [f"row {record.row:,}"]
    if record.voice:
        facts.append(f"voice {_cut(record.voice, 60)}")
    if record.duration_s:
        facts.append(f"{record.duration_s:.2f} s")
    if record.speed not in (None, 1.0):
        facts.append(f"speed {record.speed:g}")
    if sound is not None and sound.level_dbfs is not None:
        facts.append(f"{sound.level_dbfs:.1f} dBFS")
    facts += [f"{_cut(name, 40)} {score:.3g}" for name, score in sorted((record.scores or {}).items())[:12]]
    if record.unspoken:
        facts.append(f"left out: {_cut(record.unspoken, 80)}")
    verdict = getattr(record, "verdict", None)
    if verdict is not None:
        facts.append(f"verdict {_cut(str(verdict), 40)}")
    return Card(
        record.row,
        _cut(record.id, 200),
        groups,
        record.voice,
        _cut(record.text, MAX_TEXT),
        _cut(spoken, MAX_TEXT) if spoken != record.text else "",
        tuple(facts),
        _cut(record.error or "", MAX_TEXT),
        sound,
        heard_pieces(spoken or record.text, record.alignment or ()),
        _cut(f"{record.id} {record.row} {record.voice} {record.text} {spoken}", 2 * MAX_TEXT).lower(),
    )


def as_json(record: Record, groups: tuple[str, ...] = ()) -> dict[str, object]:
    """A row for the served page's list."""
    shown = _card_of(record, groups)
    return {
        "row": shown.row,
        "id": shown.id,
        "text": shown.text,
        "spoken": shown.spoken,
        "facts": shown.facts,
        "error": shown.error,
        "heard": shown.heard,
    }


def heard_pieces(text: str, words: Sequence[tuple[str, float, float]]) -> tuple[HeardPiece, ...]:
    """A text cut at its words; nothing if they are not found in it one after the other, or it is too long to show."""
    pieces: list[HeardPiece] = []
    at = 0
    for word, begin, end in words:
        found = text.find(word, at)
        if found < 0:
            return ()
        if found > at:
            pieces.append((text[at:found], None, None))
        pieces.append((word, begin, end))
        at = found + len(word)
    if not pieces or len(text) > MAX_TEXT:
        return ()
    return (*pieces, (text[at:], None, None))


def _model(made: Collected) -> str:
    keys = made.output.job.identity.keys
    names = (keys.get("model.name"), keys.get("model.revision"), keys.get("model.device"))
    return ", ".join(str(name) for name in names if name)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _file(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")
