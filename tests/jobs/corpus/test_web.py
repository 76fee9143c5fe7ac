"""Single files behind https://, from a real server on loopback (where http:// is allowed)."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.fileserver import FileServer

from speechmill.errors import CorpusChanged, CorpusError, StorageDenied, StorageMissing, StorageUnavailable
from speechmill.jobs.corpus import Corpus, InputOptions, web, would_read

NUM_ROWS = 3_000
CSV = b"id,text,pad\n" + b"".join(b"id-%d,Row %d,%s\n" % (n, n, b"x" * 400) for n in range(NUM_ROWS))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(web, "_PAUSES_S", (0.0, 0.0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    serving = FileServer()
    yield serving
    serving.close()


def corpus_of(*urls: str, **options: Any) -> Corpus:
    corpus = Corpus(InputOptions(urls, **options))
    corpus.check()
    return corpus


def parquet() -> bytes:
    buffer = io.BytesIO()
    table = pa.table({"id": [f"id-{n}" for n in range(NUM_ROWS)], "text": [f"Row {n}" for n in range(NUM_ROWS)]})
    pq.write_table(table, buffer, row_group_size=500)
    return buffer.getvalue()


KINDS = {"a.csv": CSV, "a.csv.gz": gzip.compress(CSV), "a.parquet": parquet(), "a b.csv": CSV}


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "whole"])
@pytest.mark.parametrize("has_tags", [True, False], ids=["tags", "no tags"])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_read_as_a_local_one(
    server: FileServer, tmp_path: Path, name: str, has_ranges: bool, has_tags: bool
) -> None:
    server.files[f"/data/{name}"] = KINDS[name]
    (tmp_path / name).write_bytes(KINDS[name])
    server.has_ranges, server.has_tags = has_ranges, has_tags
    corpus = corpus_of(f"{server.url}/data/{name.replace(' ', '%20')}?download=true")
    there, here = list(corpus.rows()), list(corpus_of(str(tmp_path / name)).rows())
    assert there == here
    corpus.refuse_changed()
    corpus.refuse_changed(corpus.files)
    if not (has_ranges and has_tags):  # then it was fetched, and its version is that of its content
        assert corpus.fingerprint == corpus_of(str(tmp_path / name)).fingerprint


def test_only_what_is_needed_of_parquet_is_fetched(server: FileServer) -> None:
    buffer = io.BytesIO()
    table = pa.table({"text": ["Hi."] * 50, "audio": [bytes(range(256)) * 1_200] * 50})
    pq.write_table(table, buffer, row_group_size=5, compression="none", use_dictionary=False)
    server.files["/a.parquet"] = buffer.getvalue()
    rows = list(corpus_of(f"{server.url}/a.parquet", metadata=()).rows())
    spans = [span.removeprefix("bytes=").split("-") for _, _, span in server.asked]
    assert len(rows) == 50
    assert sum(int(end) - int(start) + 1 for start, end in spans) < len(server.files["/a.parquet"]) / 2


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "whole"])
def test_reading_goes_on_where_another_stream_was(server: FileServer, has_ranges: bool) -> None:
    server.files["/a.csv"], server.has_ranges = CSV, has_ranges
    corpus = corpus_of(f"{server.url}/a.csv")
    first, second = corpus.stream(), corpus.stream()
    first.take(1_000)
    second.seek(first.position, first.row)
    assert second.take(10).rows == first.take(10).rows


def test_a_file_that_changes_is_named(server: FileServer) -> None:
    server.files["/a.csv"] = CSV
    corpus = corpus_of(f"{server.url}/a.csv")
    stream = corpus.stream()
    with stream.unchanged():
        stream.take(10)
    server.files["/a.csv"] = CSV.replace(b"Row", b"Bad")
    with (
        pytest.raises(CorpusChanged, match=r"a.csv has changed since the run began: size .* version"),
        stream.unchanged(),
    ):
        stream.take(NUM_ROWS)
    with pytest.raises(CorpusChanged, match="version"):
        corpus.refuse_changed()
    server.files.clear()
    with pytest.raises(CorpusChanged, match="it is gone"):
        corpus.refuse_changed(corpus.files)
    with pytest.raises(CorpusChanged, match="it is gone"):
        corpus.refuse_changed()


def test_a_copy_stays_as_it_was_and_the_end_tells_of_the_change(server: FileServer) -> None:
    server.files["/a.csv"], server.has_ranges = CSV, False
    corpus = corpus_of(f"{server.url}/a.csv")
    server.files["/a.csv"] = CSV.replace(b"Row", b"Bad")
    stream = corpus.stream()
    with stream.unchanged():
        assert [row.text for row in stream.take(NUM_ROWS).rows] == [f"Row {n}" for n in range(NUM_ROWS)]
    with pytest.raises(CorpusChanged, match="version"):
        corpus.refuse_changed()


def test_the_fingerprint_changes_with_the_content(server: FileServer) -> None:
    for has_ranges in (True, False):
        server.has_ranges = has_ranges
        server.files["/a.csv"] = b"text\nHi.\n"
        before = corpus_of(f"{server.url}/a.csv").fingerprint
        server.files["/b/a.csv"] = b"text\nHi.\n"
        assert corpus_of(f"{server.url}/b/a.csv").fingerprint == before
        server.files["/a.csv"] = b"text\nHo.\n"
        assert corpus_of(f"{server.url}/a.csv").fingerprint != before


def test_an_empty_file(server: FileServer) -> None:
    server.files["/a.jsonl"] = b""
    assert list(corpus_of(f"{server.url}/a.jsonl").rows()) == []


@pytest.mark.parametrize("fault", [500, 503, 429, "cut"])
@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "whole"])
def test_what_passes_is_tried_again(server: FileServer, fault: int | str, has_ranges: bool) -> None:
    server.files["/a.csv"], server.has_ranges = CSV, has_ranges
    server.fail = [fault, fault]
    corpus = corpus_of(f"{server.url}/a.csv")
    server.fail = [fault]
    assert len(list(corpus.rows())) == NUM_ROWS
    server.fail = [fault] * 9
    with pytest.raises(StorageUnavailable, match="did not answer in 3 tries"):
        corpus_of(f"{server.url}/a.csv")


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (404, StorageMissing, "no file at .*a.csv .404"),
        (410, StorageMissing, "no file at"),
        (401, StorageDenied, "401 .* without credentials: fetch it first, or put it in S3"),
        (403, StorageDenied, "403 "),
        (400, CorpusError, "cannot be read: 400"),
    ],
)
def test_refusals(server: FileServer, status: int, error: type[Exception], told: str) -> None:
    server.fail = [status] * 3
    with pytest.raises(error, match=told):
        corpus_of(f"{server.url}/a.csv")
    assert len(server.asked) == 1


def test_a_server_that_is_not_there(server: FileServer) -> None:
    url = server.url
    server.close()
    try:
        with pytest.raises(StorageUnavailable, match=r"did not answer in 3 tries: .*refused"):
            corpus_of(f"{url}/a.csv")
    finally:
        server.__init__()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.org/a.csv", "http:// is read from this machine only"),
        ("http://127.0.0.1.example.org/a.csv", "http:// is read from this machine only"),
        ("https://example.org/", "names no file: write https://host/folder/file.csv"),
        ("https://example.org", "names no file"),
        ("https:///a.csv", "names no file"),
        ("https://example.org:x/a.csv", "is no URL"),
        ("https://example.org/*.csv", "no list of files can be had over https://: name each"),
    ],
)
def test_urls_that_are_refused_unseen(url: str, told: str) -> None:
    with pytest.raises(CorpusError, match=told):
        Corpus(InputOptions(url))


def test_redirects_are_followed_to_safe_places_only(server: FileServer) -> None:
    server.files["/b.csv"] = CSV
    plain = server.answer

    def answer(path: str, span: str | None) -> Any:
        places = {"/a.csv": "/b.csv", "/out.csv": "http://192.0.2.1/b.csv", "/file.csv": "file:///etc/hostname"}
        return (302, {"Location": places[path]}, b"") if path in places else plain(path, span)

    server.answer = answer  # type: ignore[method-assign]
    assert len(list(corpus_of(f"{server.url}/a.csv").rows())) == NUM_ROWS
    with pytest.raises(CorpusError, match=r"leads to http://192.* which is neither https:// nor on this machine"):
        corpus_of(f"{server.url}/out.csv")
    with pytest.raises(CorpusError, match=r"file:///etc/hostname' is not allowed"):
        corpus_of(f"{server.url}/file.csv")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_certificate_that_is_not_trusted_is_no_reason_to_try_again(server: FileServer, tmp_path: Path) -> None:
    import ssl

    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.secure(context)
    server.files["/a.csv"] = CSV
    url = server.url.replace("http://", "https://")
    with pytest.raises(CorpusError, match=r"cannot be read safely: .*certificate"):
        corpus_of(f"{url}/a.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        assert len(list(corpus_of(f"{url}/a.csv").rows())) == NUM_ROWS


def test_no_output_lies_there() -> None:
    assert not would_read("https://example.org/out/a.csv", "/out/a.csv")
    assert not would_read("hf://datasets/a/b/**/*.parquet", "s3://datasets/a/b/c.parquet")
