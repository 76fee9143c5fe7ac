"""The page of an output: what stands there, whatever the corpus and however the output was left."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.outputs import begin, commit, complete, job_file, reopen
from typer.testing import CliRunner

from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure
from speechmill.cluster.containers import CONTAINERS
from speechmill.cluster.storage import Storage, open_storage
from speechmill.errors import JobError, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.output.reader import load_part
from speechmill.jobs.report import figures
from speechmill.jobs.report.page import heard_pieces
from speechmill.jobs.report.report import make_report, write_page

WriteOutput = Callable[..., Storage]
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e{{ 7 * 7 }}{% raw %}\ud800</pre>"


class Elements(HTMLParser):
    """The elements and the attributes of a page, and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


_DRAWN: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _draws_each_figure_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most pages here are of the same clips: to draw their figures costs more than all else."""
    draw = figures.histogram_svg

    def drawn(*arguments: Any) -> str:
        key = repr(arguments)
        if key not in _DRAWN:
            _DRAWN[key] = draw(*arguments)
        return _DRAWN[key]

    monkeypatch.setattr(figures, "histogram_svg", drawn)


def page_of(storage: Storage, **how: object) -> bytes:
    return make_report(storage, now=NOW, **how).page  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("container", list(CONTAINERS))
def test_the_page_has_every_clip_of_a_small_output_and_asks_for_nothing(
    container: str, write_output: WriteOutput
) -> None:
    storage = write_output(container, "flac")
    page = page_of(storage)
    elements = Elements(page)
    records = [
        record
        for entry in storage.list("manifest/")
        for record in load_part(storage, PartName.parse(entry.key))
        if record.audio
    ]
    sources = [audio["src"].removeprefix("data:audio/flac;base64,") for audio in elements.all("audio")]
    hashes = sorted(hashlib.sha256(base64.b64decode(source)).hexdigest() for source in sources)
    assert hashes == sorted(record.audio_sha256 or "" for record in records)
    for expected in ("complete", "Row 3.", "too long", "empty text", "id 2", "container: " + container):
        assert expected in elements.text
    addresses = [value for _, attributes in elements.found for name, value in attributes.items() if name in _ADDRESSES]
    assert all(address.startswith(("#", "data:")) for address in addresses)


@pytest.mark.slow
def test_the_same_output_seed_and_time_give_the_same_bytes(write_output: WriteOutput) -> None:
    storage = write_output("files", "flac")
    page = page_of(storage)
    _DRAWN.clear()
    assert page == page_of(storage)


_ADDRESSES = {"src", "href", "xlink:href", "action", "data", "poster"}


def test_the_page_can_be_read_without_eyes_and_without_a_mouse(write_output: WriteOutput) -> None:
    elements = Elements(page_of(write_output("files", "flac")))
    tags = [tag for tag, _ in elements.found]
    assert {"main", "nav", "header", "h1", "title"} <= set(tags)
    assert elements.all("html")[0]["lang"] == "en"
    assert tags.count("h1") == 1
    idents = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(idents) == len(set(idents))
    for section in elements.all("section"):
        assert "aria-label" in section or section["aria-labelledby"] in idents
    for tag in ("audio", "svg"):
        assert elements.all(tag)
        assert all(one["aria-label"] for one in elements.all(tag))
    for link in elements.all("a"):
        assert link["href"].removeprefix("#") in idents
    assert tags.count("input") == tags.count("label") == 1
    for one in elements.all("div"):
        if "scrolled" in one.get("class", ""):
            assert one["tabindex"] == "0"
            assert one["aria-label"]


def test_texts_of_the_corpus_stay_text(tmp_path: Path, write_output: WriteOutput) -> None:
    storage = write_output("files", "wav", is_complete=False)
    claim = begin(open_storage(str(tmp_path / "other")), job_file(name=HOSTILE))
    other = open_storage(str(tmp_path / "other"))
    first = load_part(storage, PartName.parse(next(iter(storage.list("manifest/"))).key))[0]
    assert first.audio
    row = replace(
        first,
        id=HOSTILE,
        text=HOSTILE,
        normalized_text=HOSTILE + "!",
        voice=HOSTILE,
        unspoken=HOSTILE,
        scores={HOSTILE: 1.0},
        alignment=[(HOSTILE, 0.0, 1.0)],
        metadata={},
    )
    other.put(first.audio, storage.get(first.audio))
    commit(other, claim, 0, 0, [row, Record.of_failure(Failure(7, HOSTILE, HOSTILE, HOSTILE), HOSTILE, "1")])
    page = page_of(other)
    elements = Elements(page)
    assert len(elements.all("script")) == 1
    assert elements.all("img") == []
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert elements.text.count("{{ 7 * 7 }}") > 5
    policy = next(meta["content"] for meta in elements.all("meta") if meta.get("http-equiv"))
    script = re.search(rb"<script>(.*?)</script>", page, re.S)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1]).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'")


def test_words_are_marked_in_the_text_that_is_heard() -> None:
    words = [("Don't", 0.1, 0.2), ("stop", 0.2, 0.5)]
    assert heard_pieces("“Don't” stop!", words) == (
        ("“", None, None),
        ("Don't", 0.1, 0.2),
        ("” ", None, None),
        ("stop", 0.2, 0.5),
        ("!", None, None),
    )
    assert heard_pieces("Do not stop!", words) == heard_pieces("Don't stop!", []) == ()


def test_a_missing_extra_is_named(write_output: WriteOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SpecError, match=r'pip install "speechmill\[report\]"'):
        page_of(write_output("files", "wav"))


def test_an_output_without_rows_has_a_page(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    with pytest.raises(JobError, match="no speechmill output here"):
        page_of(open_storage(str(tmp_path)))
    claim = begin(storage, job_file())
    assert "unfinished" in Elements(page_of(storage)).text
    complete(claim, [])
    elements = Elements(page_of(storage))
    assert "complete" in elements.text
    assert "No row is committed yet." in elements.text


def test_what_is_missing_or_damaged_is_told_and_the_rest_is_shown(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    keys = [entry.key for entry in storage.list("audio/")]
    storage.put(keys[0], storage.get(keys[0])[:-1] + b"\x77")
    storage.delete([keys[1]])
    manifests = [entry.key for entry in storage.list("manifest/")]
    storage.put(manifests[1], storage.get(manifests[1]).replace(b"Row 7", b"Row 8"))
    storage.put("manifest/stray.jsonl", b"x")
    report = make_report(storage, now=NOW)
    elements = Elements(report.page)
    assert "damaged" in elements.text
    assert report.num_problems >= 4
    for expected in (keys[0], keys[1], manifests[1], "manifest/stray.jsonl", "these are not the bytes"):
        assert expected in elements.text
    assert len(elements.all("audio")) == 2


def test_an_unfinished_output_shows_what_is_committed(write_output: WriteOutput) -> None:
    storage = write_output("webdataset", "wav")
    reopen(storage)
    elements = Elements(page_of(storage))
    assert "unfinished" in elements.text
    assert len(elements.all("audio")) == 9


def test_refined_text_has_a_page_without_audio(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    claim = begin(storage, job_file(task="refine"))
    rows = [
        Record(row, f"id-{row}", "ok", None, f"Row {row}.", "", row, 1.0, "tone", "1", refined=f"row {row} .")
        for row in range(3)
    ]
    commit(storage, claim, 0, 0, rows)
    complete(claim, rows)
    elements = Elements(page_of(storage))
    assert "row 2 ." in elements.text
    assert elements.all("audio") == []


def test_a_sample_says_what_it_is_of(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    report = make_report(storage, max_rows=1, now=NOW)
    assert report.num_read < report.num_rows == 11
    text = Elements(report.page).text
    assert f"Distributions and voices: {report.num_read} of 11 rows" in text
    assert "Failed rows: 2 of 2 were read." in text


def test_the_command_writes_the_page_whole_and_its_status_tells_of_damage(
    tmp_path: Path, write_output: WriteOutput
) -> None:
    storage, file = write_output("files", "wav"), tmp_path / "pages" / "report.html"
    done = CliRunner().invoke(app, ["report", storage.uri, "-o", str(file), "--json"])
    assert done.exit_code == 0, done.stderr
    assert f'"bytes": {file.stat().st_size}' in done.stdout
    assert [path.name for path in file.parent.iterdir()] == ["report.html"]
    storage.delete([next(iter(storage.list("audio/"))).key])
    assert CliRunner().invoke(app, ["report", storage.uri, "-o", str(file)]).exit_code == 1
    refused = CliRunner().invoke(app, ["report", storage.uri, "--serve", "--host", "0.0.0.0"])
    assert refused.exit_code == 2
    assert "--insecure" in refused.stderr
    with pytest.raises(SpecError, match="is a folder"):
        write_page(b"", str(tmp_path))


@pytest.mark.integration
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing")
def test_a_browser_opens_it_runs_its_script_and_refuses_nothing(tmp_path: Path, write_output: WriteOutput) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(page_of(write_output("webdataset", "flac")))
    done = subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "CONSOLE" not in done.stderr, "the policy of the page forbids something that the page does"
    assert len(re.findall(r'<li class="card"[^>]* hidden=""', done.stdout)) == 2, "11 rows, 9 of them before Show all"
    assert ">Show all 11<" in done.stdout
