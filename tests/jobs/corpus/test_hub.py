"""Datasets of the hub, through its own client, from a double of its HTTP API on loopback."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.fileserver import HubDouble

from speechmill.errors import CorpusChanged, CorpusError, StorageDenied, StorageUnavailable
from speechmill.jobs.corpus import Corpus, InputOptions
from speechmill.jobs.corpus.hub import HubPlace

REPO = "ann/lines"


def table(word: str, num_rows: int = 600) -> bytes:
    buffer = io.BytesIO()
    columns = {"id": [f"{word}-{n}" for n in range(num_rows)], "text": [f"{word} {n}" for n in range(num_rows)]}
    pq.write_table(pa.table(columns), buffer, row_group_size=200)
    return buffer.getvalue()


FILES = {
    "README.md": b"# Lines\n",
    "data/train-0.parquet": table("One"),
    "data/train-1.parquet": table("Two"),
    "data/test-0.parquet": table("Test"),
    "data/more/a.csv": b"id,text\nx,Hello.\n",
    "lines.jsonl": b'{"text": "Hi."}\n',
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[HubDouble]:
    from huggingface_hub import constants

    double = HubDouble()
    double.push(REPO, FILES)
    monkeypatch.setattr(constants, "ENDPOINT", double.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", double.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield double
    double.close()


def corpus_of(path: str, revision: str = "") -> Corpus:
    corpus = Corpus(InputOptions(f"hf://datasets/{REPO}{revision}/{path}"))
    corpus.check()
    return corpus


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("data/train-0.parquet", ["data/train-0.parquet"]),
        ("data/train-*.parquet", ["data/train-0.parquet", "data/train-1.parquet"]),
        ("data/*.parquet", ["data/test-0.parquet", "data/train-0.parquet", "data/train-1.parquet"]),
        ("**/*.parquet", ["data/test-0.parquet", "data/train-0.parquet", "data/train-1.parquet"]),
        ("**/*.csv", ["data/more/a.csv"]),
        ("*/more/*", ["data/more/a.csv"]),
        ("*.jsonl", ["lines.jsonl"]),
    ],
)
def test_files_and_globs(hub: HubDouble, path: str, names: list[str]) -> None:
    assert [file.uri for file in corpus_of(path).files] == [f"hf://datasets/{REPO}/{name}" for name in names]


@pytest.mark.parametrize("has_ranges", [True, False])
def test_rows(hub: HubDouble, has_ranges: bool) -> None:
    hub.has_ranges = has_ranges
    corpus = corpus_of("data/train-*.parquet")
    assert [row.text for row in corpus.rows()] == [f"{word} {n}" for word in ("One", "Two") for n in range(600)]
    assert [row.text for row in corpus_of("lines.jsonl").rows()] == ["Hi."]
    first, second = corpus.stream(), corpus.stream()
    first.take(500)
    second.seek(first.position, first.row)
    assert second.take(300).rows == first.take(300).rows


def test_a_revision(hub: HubDouble) -> None:
    old = hub.commits[REPO, "main"]
    hub.push(REPO, {"lines.jsonl": b'{"text": "New."}\n'})
    hub.push(REPO, {"lines.jsonl": b'{"text": "Converted."}\n'}, "refs/convert/parquet")
    hub.push(REPO, {"lines.jsonl": b'{"text": "Branch."}\n'}, "a/b")
    texts = {
        "": "New.",
        f"@{old}": "Hi.",
        "@~parquet": "Converted.",
        "@refs/convert/parquet": "Converted.",
        "@a%2Fb": "Branch.",
    }
    for revision, text in texts.items():
        corpus = corpus_of("lines.jsonl", revision)
        assert [row.text for row in corpus.rows()] == [text]
        assert (
            corpus.files[0].uri
            == f"hf://datasets/{REPO}{revision.replace('%2F', '/').replace('~', 'refs/convert/')}/lines.jsonl"
        )


def test_what_is_read_is_of_one_commit_and_the_end_tells_of_another(hub: HubDouble) -> None:
    corpus = corpus_of("data/*.parquet")
    hub.push(REPO, {**FILES, "data/train-0.parquet": table("Bad"), "data/z.parquet": table("More")})
    stream = corpus.stream()
    with stream.unchanged():
        texts = [row.text for row in stream.take(2_000).rows]
    assert "Bad 0" not in texts
    assert len(texts) == 1_800
    with pytest.raises(CorpusChanged, match=r"train-0.parquet has changed .*z.parquet has come"):
        corpus.refuse_changed()
    hub.push(REPO, {**FILES, "README.md": b"other"})
    corpus.refuse_changed()  # the files that are read are the same


def test_the_fingerprint_follows_the_content_not_the_commit(hub: HubDouble) -> None:
    before = corpus_of("data/*.parquet").fingerprint
    hub.push(REPO, {**FILES, "README.md": b"other"})
    assert corpus_of("data/*.parquet").fingerprint == before
    hub.push(REPO, {**FILES, "data/train-0.parquet": table("Own")})
    assert corpus_of("data/*.parquet").fingerprint != before


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("hf://datasets/ann/lines/data", "is a folder: name the files in it"),
        ("hf://datasets/ann/lines/data/", "is a folder: name the files in it"),
        ("hf://datasets/ann/lines/date/*.parquet", "no file matches"),
        ("hf://datasets/ann/lines/line.jsonl", r"no file matches .*; did you mean 'lines.jsonl'\?"),
        ("hf://datasets/ann/lines/README.md", "cannot tell the format"),
        ("hf://datasets/ann/none/a.csv", "no such dataset, or it is private; check the name, or set HF_TOKEN"),
        ("hf://datasets/ann/lines@v2/a.csv", "has no revision 'v2'"),
        ("hf://datasets/ann/lines", "write hf://datasets/owner/name/folder"),
        ("hf://datasets/ann", "write hf://datasets/owner/name/folder"),
        ("hf://models/ann/lines/a.csv", "write hf://datasets/owner/name/folder"),
        ("hf://ann/lines/a.csv", "write hf://datasets/owner/name/folder"),
    ],
)
def test_uris_that_lead_nowhere(hub: HubDouble, uri: str, told: str) -> None:
    with pytest.raises(CorpusError, match=told):
        Corpus(InputOptions(uri))


def test_a_token_is_sent_and_is_no_part_of_the_corpus(hub: HubDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_secret"
    with pytest.raises(CorpusError, match="or it is private"):
        corpus_of("lines.jsonl")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    corpus = corpus_of("lines.jsonl")
    assert [row.text for row in corpus.rows()] == ["Hi."]
    assert "secret" not in json.dumps([repr(corpus.files), corpus.fingerprint])


def test_refusals_are_translated(hub: HubDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.fail = [403]
    with pytest.raises(StorageDenied, match="403; set HF_TOKEN"):
        corpus_of("lines.jsonl")
    hub.fail = [500] * 30
    with pytest.raises(StorageUnavailable, match="cannot be read from the hub"):
        corpus_of("lines.jsonl")
    hub.fail = []
    corpus = corpus_of("lines.jsonl")
    hub.fail = [503, 503]  # the client tries again
    assert len(list(corpus.rows())) == 1


def test_a_place_has_its_parts() -> None:
    assert HubPlace.parse("hf://datasets/a/b@refs/pr/3/c/d.csv") == HubPlace("a/b", "refs/pr/3", "c/d.csv")
    assert HubPlace.parse("hf://datasets/a/b/c@d.csv") == HubPlace("a/b", None, "c@d.csv")
