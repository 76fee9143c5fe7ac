"""Which files a URI stands for, and how damaged ones are told."""

from __future__ import annotations

import glob
import gzip
import io
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from speechmill.actors.records.utterance import Failure
from speechmill.cluster.storage import S3Options, open_storage
from speechmill.errors import CorpusError
from speechmill.jobs.corpus import Corpus, InputOptions
from speechmill.jobs.corpus.globs import matches

NAMES = ["b.csv", "a.csv", "sub/c.csv", "sub/deep/d.csv", ".hidden.csv", "sub/note.doc", "a10.csv", ".git/x.csv"]
GLOBS = {
    "*.csv": ["a.csv", "a10.csv", "b.csv"],
    "a*.csv": ["a.csv", "a10.csv"],
    "?.csv": ["a.csv", "b.csv"],
    "[bc].csv": ["b.csv"],
    "[!b].csv": ["a.csv"],
    "**/*.csv": ["a.csv", "a10.csv", "b.csv", "sub/c.csv", "sub/deep/d.csv"],
    "sub/**/*.csv": ["sub/c.csv", "sub/deep/d.csv"],
    "*/*.csv": ["sub/c.csv"],
    "**/d.csv": ["sub/deep/d.csv"],
    ".*.csv": [".hidden.csv"],
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in NAMES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text\nThis is {name}.\n")
    return root


def found(uri: str | tuple[str, ...], root: Path, **options: Any) -> list[str]:
    return [Path(file.uri).relative_to(root).as_posix() for file in Corpus(InputOptions(uri, **options)).files]


@pytest.mark.parametrize("pattern", GLOBS)
def test_globs(tree: Path, pattern: str) -> None:
    assert found(f"{tree}/{pattern}", tree) == GLOBS[pattern]
    assert found(f"file://{tree}/{pattern}", tree) == GLOBS[pattern]


@pytest.mark.parametrize("pattern", [*GLOBS, "**", "sub/**", "**/deep/**", "**/**/*.csv", "s*/d*/*"])
def test_keys_match_as_files_do(tree: Path, pattern: str) -> None:
    """Objects have no `glob`: ours has to agree with Python's."""
    everything = glob.glob(pattern, root_dir=tree, recursive=True)  # noqa: PTH207
    local = {name for name in everything if (tree / name).is_file()}
    assert {name for name in NAMES if matches(name.split("/"), pattern.split("/"))} == local


def test_order_is_that_of_the_uris_and_no_file_comes_twice(tree: Path) -> None:
    assert found((f"{tree}/b.csv", f"{tree}/*.csv"), tree) == ["b.csv", "a.csv", "a10.csv"]


def test_a_name_that_looks_like_a_glob_is_a_name_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").write_text("text\nHello.\n")
    assert found(f"{tmp_path}/a[1].csv", tmp_path) == ["a[1].csv"]


def test_a_file_uri_is_percent_encoded(tmp_path: Path) -> None:
    (tmp_path / "a b.csv").write_text("text\nHello.\n")
    assert found(f"file://{tmp_path}/a%20b.csv", tmp_path) == ["a b.csv"]


def test_a_home_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree))
    assert found("~/a.csv", tree) == ["a.csv"]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("{tree}/aa.csv", r"no file matches .*aa.csv; did you mean 'a.csv'\?"),
        ("{tree}/*.parquet", r"no file matches .*\*.parquet"),
        ("{tree}/sub", r"sub is a folder: name the files in it, for example .*sub/\*.csv"),
        ("{tree}/sub/note.doc", "cannot tell the format from the name .* --set input.format=csv"),
        ("ftp://example.org/a.csv", r"from a local path, file://, s3://, hf://datasets/ or https://, not from ftp://"),
        ("file://host/a.csv", "names a host"),
        ("s3://bucket", "names no object"),
        ("s3://bucket/folder/", "names no object"),
    ],
)
def test_uris_that_lead_nowhere(tree: Path, uri: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Corpus(InputOptions(uri.format(tree=tree)))


def test_no_uri_at_all() -> None:
    with pytest.raises(CorpusError, match=r"set input\.uri"):
        Corpus(InputOptions(()))


def test_the_format_may_be_named(tree: Path) -> None:
    (tree / "sub/note.doc").write_text("id\ttext\nx\tHello.\n")
    (row,) = Corpus(InputOptions(f"{tree}/sub/note.doc", format="tsv")).rows()
    assert row.id == "x"


def test_the_fingerprint_moves_with_the_corpus_and_changes_with_it(tree: Path, tmp_path: Path) -> None:
    def fingerprint(root: Path, pattern: str = "**/*.csv") -> str:
        return Corpus(InputOptions(f"{root}/{pattern}")).fingerprint

    original = fingerprint(tree)
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy, copy_function=shutil.copyfile)
    assert fingerprint(copy) == original
    seen = {original, fingerprint(tree, "*.csv")}
    (copy / "a.csv").write_text("text\nThis is A.csv.\n")
    seen.add(fingerprint(copy))
    (copy / "a.csv").rename(copy / "aa.csv")
    seen.add(fingerprint(copy))
    (copy / "aa.csv").unlink()
    seen.add(fingerprint(copy))
    assert len(seen) == 5


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv", "a.jsonl.gz"])
def test_gzip_is_known_by_its_first_bytes(read, name: str) -> None:
    content = b'{"text": "Hello."}\n' if "jsonl" in name else b"text\nHello.\n"
    half = len(content) // 2
    assert [row.text for row in read(name, gzip.compress(content))] == ["Hello."]
    assert [row.text for row in read(name, gzip.compress(content[:half]) + gzip.compress(content[half:]))] == ["Hello."]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_damaged_gzip_is_an_error(read, name: str) -> None:
    lines = [f'{{"text": "Line {n}."}}\n' if "jsonl" in name else f"Line {n}.\n" for n in range(20_000)]
    content = gzip.compress(("text\n" + "".join(lines)).encode())
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0xFF
    for damaged in (content[: len(content) // 2], bytes(flipped), content[:-4], content[:5]):
        with pytest.raises(CorpusError, match=f"{name} is damaged or cut short"):
            read(name, damaged)
    with pytest.raises(CorpusError, match=r"is named \.gz but is not gzip"):
        read(name, b"text\nHello.\n")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nHello.\n")
    corpus = Corpus(InputOptions(str(path)))
    path.unlink()
    with pytest.raises(CorpusError, match=r"a.csv cannot be read: No such file"):
        corpus.check()


def test_s3(s3_env: Any, tree: Path) -> None:
    """The same tree in a bucket: the same files, the same rows, and a version that changes with the content."""
    bucket, s3 = s3_env.new_bucket(), S3Options(endpoint_url=s3_env.endpoint)
    store = open_storage(f"s3://{bucket}/in", s3)
    for name in NAMES:
        store.put(name, (tree / name).read_bytes())
    store.put("z.csv.gz", gzip.compress(b"text\nZipped.\n"))
    store.put("a[1].csv", b"text\nBrackets.\n")

    def corpus(pattern: str) -> Corpus:
        return Corpus(InputOptions(f"s3://{bucket}/{pattern}", s3=s3))

    for pattern in ("?.csv", "**/d.csv", "sub/**/*.csv", "*/*.csv"):
        here = Corpus(InputOptions(f"{tree}/{pattern}"))
        there = corpus(f"in/{pattern}")
        there.check()
        assert [file.uri for file in there.files] == [f"s3://{bucket}/in/{name}" for name in GLOBS[pattern]]
        assert [row.text for row in there.rows()] == [row.text for row in here.rows()]
    assert [row.text for row in corpus("in/z.csv.gz").rows()] == ["Zipped."]
    assert [row.text for row in corpus("in/a[1].csv").rows()] == ["Brackets."]
    before = corpus("in/a.csv").fingerprint
    store.put("b.csv", b"text\nUnrelated.\n")
    assert corpus("in/a.csv").fingerprint == before
    store.put("a.csv", b"text\nThis is b.csv.\n")
    assert corpus("in/a.csv").fingerprint != before
    with pytest.raises(CorpusError, match=r"no file matches .*/aa.csv; did you mean 'a.csv'\?"):
        corpus("in/aa.csv")


def test_parquet_from_s3(s3_env: Any) -> None:
    bucket, s3 = s3_env.new_bucket(), S3Options(endpoint_url=s3_env.endpoint)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": [f"Line {n}." for n in range(5000)]}), buffer)
    open_storage(f"s3://{bucket}", s3).put("a.parquet", buffer.getvalue())
    rows = list(Corpus(InputOptions(f"s3://{bucket}/*.parquet", s3=s3)).rows())
    assert [row.text for row in rows] == [f"Line {n}." for n in range(5000)]
    assert not any(isinstance(row, Failure) for row in rows)
