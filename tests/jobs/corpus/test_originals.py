"""Laws of a corpus that changes: each change of content is told, with the file's name, and nothing else is one."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from speechmill.cluster.storage import S3Options, open_storage
from speechmill.errors import CorpusChanged
from speechmill.jobs.corpus import Corpus, InputOptions, RowStream

NUM_ROWS = 400
PAD = os.urandom(2_000).hex()
"""It makes a file of these rows longer than what is read of it at once, also when it is compressed."""


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=50, use_dictionary=False, compression="none")
    return buffer.getvalue()


def as_csv(rows: list[dict[str, str]]) -> bytes:
    return b"id,text,pad\n" + "".join(f"{row['id']},{row['text']},{row['pad']}\n" for row in rows).encode()


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


KINDS: dict[str, Callable[[list[dict[str, str]]], bytes]] = {
    "a.csv": as_csv,
    "a.csv.gz": lambda rows: gzip.compress(as_csv(rows), compresslevel=0, mtime=0),
    "b.csv": lambda rows: as_csv(rows).replace(b",", b";"),
    "a.jsonl": as_jsonl,
    "a.parquet": as_parquet,
}


def rows_of(word: str) -> list[dict[str, str]]:
    return [{"id": f"id-{row}", "text": f"{word} {row}", "pad": PAD} for row in range(NUM_ROWS)]


def rewritten(path: Path) -> None:
    """Other text of the same length, in place."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(KINDS[path.name](rows_of("Bad")))
    assert path.stat().st_size == before.st_size


def rewritten_behind_its_time(path: Path) -> None:
    before = path.stat()
    rewritten(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(KINDS[path.name](rows_of("Bad")))
    other.replace(path)


def longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shorter(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    """To open it for reading would wait for ever."""
    path.unlink()
    os.mkfifo(path)


CHANGES: dict[Callable[[Path], None], str] = {
    rewritten: "size [0-9,]+ bytes, modified .* → ",
    rewritten_behind_its_time: "size [0-9,]+ bytes, other content",
    replaced: "size [0-9,]+ bytes, modified .* → ",
    longer: "size [0-9,]+ → [0-9,]+ bytes, modified",
    shorter: "size [0-9,]+ → [0-9,]+ bytes, modified",
    emptied: "size [0-9,]+ → 0 bytes, modified",
    Path.unlink: "it is gone",
    a_folder: "it is no regular file any more",
    a_pipe: "it is no regular file any more",
}


def touched(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def copied_over(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def written_again(path: Path) -> None:
    path.write_bytes(path.read_bytes())


def locked(path: Path) -> None:
    path.chmod(0o444)


def moved_behind_a_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


HARMLESS = [touched, copied_over, written_again, locked, moved_behind_a_link]


def corpus_of(folder: Path, kind: str = "a.csv", **options: Any) -> tuple[Corpus, Path]:
    (folder / kind).write_bytes(KINDS[kind](rows_of("Row")))
    old_s = (folder / kind).stat().st_mtime - 1
    os.utime(folder / kind, (old_s, old_s))  # the times of files are coarse, and a change may follow at once
    corpus = Corpus(InputOptions(f"{folder}/*{kind[1:]}", **options))
    corpus.check()
    return corpus, folder / kind


def windows_of(stream: RowStream, num_rows: int = 7) -> Iterator[list[str]]:
    """The texts of window after window, as a planner takes them."""
    is_at_end = False
    while not is_at_end:
        with stream.unchanged():
            block = stream.take(num_rows)
            is_at_end = stream.is_at_end
        yield [str(row.text) for row in block.rows]


@contextmanager
def refused(file: str, change: str) -> Iterator[None]:
    with pytest.raises(CorpusChanged, match=rf"{file} has changed since the run began: {change}.*--overwrite"):
        yield


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_window_read_from_changed_content_is_not_given_out(
    tmp_path: Path, kind: str, change: Callable[[Path], None]
) -> None:
    """Whether the change breaks the reading (gzip, parquet), ends it early, or gives other rows."""
    corpus, path = corpus_of(tmp_path, kind)
    windows = windows_of(corpus.stream())
    given = next(windows) + next(windows)
    change(path)
    with refused(path.name, CHANGES[change]):
        given += [text for window in windows for text in window]
    assert given == [f"Row {row}" for row in range(14)]
    with refused(path.name, CHANGES[change]):
        corpus.refuse_changed()


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_the_same_content_is_the_same_file(tmp_path: Path, kind: str, change: Callable[[Path], None]) -> None:
    corpus, path = corpus_of(tmp_path, kind)
    given: list[str] = []
    for window in windows_of(corpus.stream(), 100):
        given += window
        if len(given) == 100:
            change(path)
    corpus.refuse_changed()
    assert given == [f"Row {row}" for row in range(NUM_ROWS)]


def test_a_file_that_was_touched_may_still_change(tmp_path: Path) -> None:
    corpus, path = corpus_of(tmp_path)
    touched(path)
    corpus.refuse_changed()
    rewritten(path)
    with refused("a.csv", "size"):
        corpus.refuse_changed()


def test_a_file_that_is_restored_is_the_same_file_again(tmp_path: Path) -> None:
    corpus, path = corpus_of(tmp_path)
    content = path.read_bytes()
    longer(path)
    with refused("a.csv", "size"):
        corpus.refuse_changed()
    path.write_bytes(content)
    corpus.refuse_changed()


def test_files_are_looked_at_when_they_were_read_from(tmp_path: Path) -> None:
    """A window says what concerns it, the end whatever there is; several files are counted."""
    for name in "bcdef":
        (tmp_path / f"{name}.csv").write_bytes(as_csv(rows_of(name)[:10]))
    corpus, _ = corpus_of(tmp_path)
    windows = windows_of(corpus.stream(), NUM_ROWS + 5)
    longer(tmp_path / "d.csv")
    assert next(windows)[-1] == "b 4"
    longer(tmp_path / "f.csv")
    (tmp_path / "e.csv").unlink()
    with refused("d.csv", r"size .*; \S*/e.csv has changed since the run began: it is gone\."):
        next(windows)
    longer(tmp_path / "a.csv")
    with refused("a.csv", r"size .*d.csv .*e.csv .*and 1 files more"):
        corpus.refuse_changed()


def test_a_file_that_comes_is_told_at_the_end(tmp_path: Path) -> None:
    corpus, _ = corpus_of(tmp_path)
    (tmp_path / "b.csv").write_text("id,text\n1,New.\n")
    assert sum(map(len, windows_of(corpus.stream(), 100))) == NUM_ROWS
    with pytest.raises(CorpusChanged, match=r"/b\.csv has come since the run began\. Every row .*--overwrite"):
        corpus.refuse_changed()
    (tmp_path / "b.csv").rename(tmp_path / "b.txt")
    corpus.refuse_changed()


def test_of_several_uris_each_file_answers_for_itself(tmp_path: Path) -> None:
    corpus, path = corpus_of(tmp_path)
    (tmp_path / "b.jsonl").write_bytes(as_jsonl(rows_of("Row")))
    corpus = Corpus(InputOptions((str(path), f"{tmp_path}/*.jsonl")))
    path.unlink()
    with pytest.raises(CorpusChanged, match="gone") as told:
        corpus.refuse_changed()
    assert "b.jsonl" not in str(told.value)


class Bucket:
    """A prefix on the real server, and what may happen to the objects of a corpus there."""

    def __init__(self, server: Any) -> None:
        self.uri = f"s3://{server.new_bucket()}/in"
        self.s3 = S3Options(endpoint_url=server.endpoint)
        self.storage = open_storage(self.uri, self.s3)

    def write(self, name: str, word: str) -> None:
        self.storage.put(name, KINDS[f"a{name[1:]}"](rows_of(word)))

    def corpus(self, pattern: str) -> Corpus:
        corpus = Corpus(InputOptions(f"{self.uri}/{pattern}", s3=self.s3))
        corpus.check()
        return corpus


@pytest.fixture
def bucket(s3_env: Any) -> Bucket:
    return Bucket(s3_env)


@pytest.mark.parametrize("kind", ["a.csv.gz", "a.parquet"])
def test_an_object_that_is_overwritten_or_deleted(bucket: Bucket, kind: str) -> None:
    bucket.write(kind, "Row")
    bucket.storage.put(f"{kind}-beside", b"its key begins with the other one's")
    corpus = bucket.corpus(kind)
    windows = windows_of(corpus.stream())
    given = next(windows)
    bucket.write(kind, "Row")
    given += next(windows)
    corpus.refuse_changed()  # the same bytes have the same version
    bucket.write(kind, "Bad")
    with refused(kind, "size [0-9,]+ bytes, version [0-9a-f]+ → [0-9a-f]+"):
        given += [text for window in windows for text in window]
    assert given == [f"Row {row}" for row in range(14)]
    with refused(kind, "size"):
        corpus.refuse_changed()
    bucket.storage.put(kind, b"id,text\n")
    with refused(kind, "size [0-9,]+ → 8 bytes"):
        corpus.refuse_changed()
    bucket.storage.delete([kind])
    with refused(kind, "it is gone"):
        corpus.refuse_changed(corpus.files)
    with refused(kind, "it is gone"):
        corpus.refuse_changed()


def test_an_object_that_comes_is_told_at_the_end(bucket: Bucket) -> None:
    bucket.write("a.csv", "Row")
    corpus = bucket.corpus("*.csv")
    bucket.write("b.csv", "New")
    assert sum(map(len, windows_of(corpus.stream(), 100))) == NUM_ROWS
    with pytest.raises(CorpusChanged, match=r"in/b\.csv has come since the run began"):
        corpus.refuse_changed()
    bucket.storage.delete(["b.csv"])
    corpus.refuse_changed()
