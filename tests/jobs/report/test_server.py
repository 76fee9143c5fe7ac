"""`report --serve`: every row is found, every clip comes by ranges, and nothing else."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from support.waiting import HANG_S, eventually

from speechmill.actors.records.part_name import PartName
from speechmill.cluster.containers import CONTAINERS
from speechmill.cluster.storage import Storage
from speechmill.errors import JobError, SpecError
from speechmill.jobs.output.reader import load_part
from speechmill.jobs.report import browse
from speechmill.jobs.report.browse import Browser, RowQuery
from speechmill.jobs.report.server import check_host, report_app, serve_report

WriteOutput = Callable[..., Storage]
Ask = Callable[..., tuple[int, dict[str, str], bytes]]


@contextmanager
def served(storage: Storage) -> Iterator[Ask]:
    """A server of an output in a thread; ask it by path and headers."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = report_app(b"<!doctype html>", Browser(storage), "127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()

    def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_S)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body

    try:
        eventually(lambda: server.started)
        yield ask
    finally:
        server.should_exit = True
        thread.join()


def pages(browser: Browser, **query: str) -> list[int]:
    """The rows of all pages of a query, in the order in which they come."""
    rows: list[int] = []
    after = ""
    while True:
        page = browser.find(RowQuery(**query, after=after))
        rows += [record.row for _, record in page.rows]
        if not page.next:
            return rows
        after = page.next


def test_every_row_is_found_once_whatever_the_pages(write_output: WriteOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(write_output("webdataset", "wav"))
    assert sorted(pages(browser)) == list(range(11))
    for rows, step in ((1, 50_000), (3, 1), (50, 1)):
        monkeypatch.setattr(browse, "PAGE_ROWS", rows)
        monkeypatch.setattr(browse, "MAX_STEP_ROWS", step)
        assert sorted(pages(browser)) == list(range(11))
        assert pages(browser, status="failed") == [2, 10]
        assert pages(browser, text="ROW 7") == [7]
        assert pages(browser, text="id 1") == [1, 10]
        assert pages(browser, voice="a", status="ok") == [0, 1, 3, 4, 5, 6, 7, 8, 9]
        assert pages(browser, text="nothing like it") == []
        assert pages(browser, text='"row"') == [], "the names of the fields are no text"


def test_a_damaged_manifest_is_named_and_the_others_are_searched(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    key = next(iter(storage.list("manifest/"))).key
    storage.put(key, storage.get(key)[:-20])
    assert pages(Browser(storage), text="row 7") == [7]
    page = Browser(storage).find(RowQuery())
    assert sorted(record.row for _, record in page.rows) == [5, 6, 7, 8, 9, 10]
    assert len(page.unread) == 1
    assert key in page.unread[0]


def test_only_rows_that_count_have_a_clip(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    browser = Browser(storage)
    key = next(iter(storage.list("manifest/"))).key
    for wrong, row in (("../../etc/passwd", 0), (key, 9), (key, 2), (key.replace("ok4", "ok5"), 0)):
        with pytest.raises(JobError):
            browser.clip(wrong, row)


@pytest.mark.parametrize("container", list(CONTAINERS))
def test_rows_and_clips_come_over_http(container: str, write_output: WriteOutput) -> None:
    storage = write_output(container, "flac")
    digests = {
        record.row: record.audio_sha256
        for entry in storage.list("manifest/")
        for record in load_part(storage, PartName.parse(entry.key))
    }
    with served(storage) as ask:
        status, headers, body = ask("/rows?" + urlencode({"q": "", "status": "ok"}))
        found: dict[str, Any] = json.loads(body)
        assert (status, len(found["rows"]), found["next"]) == (200, 9, "")
        for row in found["rows"]:
            status, headers, whole = ask("/" + row["clip"])
            assert (status, headers["content-type"], headers["accept-ranges"]) == (200, "audio/flac", "bytes")
            assert hashlib.sha256(whole).hexdigest() == digests[row["row"]]
        clip, size = "/" + found["rows"][0]["clip"], len(ask("/" + found["rows"][0]["clip"])[2])
        whole = ask(clip)[2]
        for asked, begin, end in (("0-9", 0, 10), ("5-", 5, size), ("-7", size - 7, size), (f"3-{size + 9}", 3, size)):
            status, headers, part = ask(clip, Range=f"bytes={asked}")
            assert (status, part) == (206, whole[begin:end])
            assert headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
        assert ask(clip, Range=f"bytes={size}-")[0] == 416
        assert ask(clip, Range="lines=1-2")[0] == 200
        assert ask(clip, method="HEAD")[2] == b""


def test_what_is_wrong_or_not_asked_from_this_machine_is_refused(write_output: WriteOutput) -> None:
    storage = write_output("files", "wav")
    with served(storage) as ask:
        status, headers, body = ask("/")
        assert (status, body) == (200, b"<!doctype html>")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert ask("/", Host="evil.example")[0] == 400
        assert ask("/", method="POST")[0] == 405
        assert ask("/../job.json")[0] == 404
        for path in ("/clip", "/clip?row=x&part=", "/rows?after=x|y"):
            assert ask(path)[0] == 400
        status, _, body = ask("/clip?row=3&part=manifest/none")
        assert status == 404
        assert b"no manifest" in body
        storage.delete([entry.key for entry in storage.list("audio/")])
        key = next(iter(storage.list("manifest/"))).key
        status, _, body = ask("/clip?" + urlencode({"part": key, "row": 3}))
        assert status == 404
        assert b"000000003-id_3." in body


def test_an_address_that_cannot_be_had_or_lets_others_in_is_refused(write_output: WriteOutput) -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        check_host(host, insecure=False)
    for host in ("0.0.0.0", "::", "example.org"):
        with pytest.raises(SpecError, match="--insecure"):
            check_host(host, insecure=False)
        check_host(host, insecure=True)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SpecError, match="--port 0"):
        serve_report(b"", Browser(write_output("files", "wav")), "127.0.0.1", taken.getsockname()[1], print)
