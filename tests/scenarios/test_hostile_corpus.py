"""Corpora that nobody should have written: each is one line that names the file, or has rows that fail with a reason.

`plan` reads the whole corpus as a run does, and needs no Ray.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from speechmill.jobs.corpus import Corpus, InputOptions

Tell = Callable[..., str]
Plan = Callable[..., dict[str, Any]]


@pytest.fixture
def plan(tmp_path: Path, tell: Tell) -> Plan:
    """Plans a job over some file, under the law; what it would do, or what was said."""

    def plan_one(name: str, *sets: str, status: int = 0, names: tuple[str, ...] = ()) -> dict[str, Any]:
        (tmp_path / "job.yaml").write_text(
            json.dumps(
                {
                    "input": {"uri": f"{tmp_path}/{name}"},
                    "model": {"name": "tone"},
                    "output": {"uri": f"{tmp_path}/out"},
                }
            ),
            encoding="utf-8",
        )
        overrides = [part for one in sets for part in ("--set", one)]
        said = tell("plan", f"{tmp_path}/job.yaml", "--json", *overrides, status=status, names=names)
        assert not (tmp_path / "out").exists()
        return json.loads(said) if status == 0 else {}

    return plan_one


def table(columns: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns) if isinstance(columns, dict) else columns, buffer, **options)
    return buffer.getvalue()


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


LINES = "".join(f"{n},Line {n}.\n" for n in range(2_000))
GZ = gzip.compress(f"id,text\n{LINES}".encode())
TABLE = table({"id": [str(n) for n in range(5_000)], "text": ["Hello."] * 5_000}, row_group_size=500)
NEVER_CLOSED = "id,text\n" + 'a","\n' * 20_000

Content = bytes | Callable[[], bytes]
"""A function where it is large: each worker of the tests would make it and keep it."""

FILES: dict[str, tuple[str, Content, str]] = {
    "gzip cut short": ("a.csv.gz", GZ[: len(GZ) // 2], "a.csv.gz is damaged or cut short"),
    "gzip without its end": ("a.csv.gz", GZ[:-8], "a.csv.gz is damaged or cut short"),
    "gzip with something behind it": ("a.csv.gz", GZ + b"more", "a.csv.gz is damaged or cut short"),
    "a zlib stream named gzip": ("a.csv.gz", zlib.compress(b"text\nHello.\n"), "is not gzip"),
    "parquet half written": ("a.parquet", TABLE[: len(TABLE) // 2], "a.parquet is no parquet file, or is damaged"),
    "parquet without its beginning": ("a.parquet", b"x" * 100 + TABLE[100:], "a.parquet"),
    "parquet of a hole": ("a.parquet", TABLE[:1_000] + bytes(len(TABLE) - 2_000) + TABLE[-1_000:], "a.parquet"),
    "parquet whose footer is huge": ("a.parquet", TABLE[:-8] + b"\xff\xff\xff\x7fPAR1", "a.parquet"),
    "parquet without text": ("a.parquet", table({"body": ["x"]}), "has no column 'text'"),
    "parquet with two texts": (
        "a.parquet",
        table(pa.table([["a"], ["b"]], ["text", "text"])),
        "two columns named 'text'",
    ),
    "csv as parquet": ("a.parquet", b"text\nHello.\n", "a.parquet is no parquet file"),
    "parquet as csv": ("a.csv", TABLE, "a.csv"),
    "an executable as csv": ("a.csv", b"\x7fELF" + bytes(range(256)) * 9, "a.csv"),
    "nothing as csv": ("a.csv", b"", "a.csv is empty"),
    "nothing as parquet": ("a.parquet", b"", "a.parquet is no parquet file"),
    "only blank lines": ("a.csv", b"\n" * 300_000, "a.csv is empty"),
    "a header of two hundred thousand columns": (
        "a.csv",
        ",".join(f"c{n}" for n in range(200_000)).encode(),
        "a.csv has no column 'text'",
    ),
    "a header with an escape": ("a.csv", b'id,"\x1b[31m\nred"\n1,2\n', "\\x1b[31m\\nred"),
    "a column twice": ("a.csv", b"text,id,text\nx,y,z\n", "two columns named 'text'"),
    "a column missing": ("a.csv", b"id,txt\n1,Hello.\n", "did you mean 'txt'?"),
    "quotes that make no sense": ("a.csv", NEVER_CLOSED.encode(), 'its quotes (") make no sense'),
    "a line of 20 MB": ("a.csv", lambda: b"text\n" + b"x" * 20_000_000, "a.csv line 2 is longer than"),
    "UTF-16": ("a.csv", "text\nHello.\n".encode("utf-16"), "a.csv is UTF-16"),
    "UTF-16 without a mark": ("a.csv", "text\nHello.\n".encode("utf-16-le"), "a.csv is UTF-16 without a byte order"),
    "UTF-32": ("a.jsonl", '{"text": "x"}\n'.encode("utf-32"), "a.jsonl is UTF-32"),
    "latin-1 in the header": ("a.csv", "text,prénom\nx,y\n".encode("latin-1"), "a.csv line 1: byte 0xE9"),
    "UTF-16 as jsonl": ("a.jsonl", '{"text": "x"}\n'.encode("utf-16-be"), "iconv -f UTF-16BE"),
    "an array as jsonl": ("a.jsonl", b'[{"text": "x"}]', "a.jsonl line 1: a JSON array"),
    "numbers as jsonl": ("a.jsonl", b"1\n2\n", "a.jsonl line 1: a JSON number"),
    "brackets as jsonl": ("a.jsonl", b"[" * 100_000, "a.jsonl line 1"),
    "a pickle as jsonl": ("a.jsonl", b"\x80\x04\x95\x0b\x00\x00\x00\x8c\x05posix\x94.", "a.jsonl line 1"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_one_line(tmp_path: Path, plan: Plan, name: str) -> None:
    file, content, told = FILES[name]
    (tmp_path / file).write_bytes(content() if callable(content) else content)
    plan(file, status=2, names=(file, told))


ROWS: dict[str, tuple[str, Content, int, int, str]] = {
    # name: (file, content, rows, rejected, what the first rejected one is told)
    "CR": ("a.csv", b"id,text\r1,Hello.\r2,World.\r", 2, 0, ""),
    "mixed line ends": ("a.csv", b"id,text\r\n1,Hello.\r2,World.\n3,End.", 3, 0, ""),
    "a mark, twice": ("a.csv", codecs.BOM_UTF8 * 2 + b"text\nHello.\n", 0, 0, "!"),
    "a mark in the middle": ("a.csv", b"text\nHello.\n" + codecs.BOM_UTF8 + b"World.\n", 2, 0, ""),
    "latin-1": ("a.csv", "text\ncafé\nplain\n".encode("latin-1"), 2, 1, "line 2: column 'text': byte 0xE9"),
    "a broken byte in the middle": ("a.jsonl", b'{"text": "a"}\n{"text": "\xc3\x28"}\n{"text": "b"}\n', 3, 1, "line 2"),
    "an overlong slash": ("a.csv", b"text\n..\xc0\xaf..\nfine\n", 2, 1, "byte 0xC0"),
    "surrogates in UTF-8": ("a.csv", b"text\n\xed\xa0\x80\nfine\n", 2, 1, "byte 0xED"),
    "a quote that is never closed": ("a.csv", b'id,text\n1,"Hello.\n2,World.\n', 2, 1, "line 2: the record"),
    "too many fields": ("a.tsv", b"id\ttext\n1\ta\tb\n2\tc\n", 2, 1, "3 fields where the header has 2"),
    "a field of 300 kB": ("a.csv", b"text\n" + b"x" * 300_000 + b"\nfine\n", 2, 1, "the text has 300,000 characters"),
    "a line of 20 MB": (
        "a.jsonl",
        lambda: b'{"text": "' + b"x" * 20_000_000 + b'"}\n{"text": "b"}\n',
        2,
        1,
        "line 1: the line",
    ),
    "many blank lines": ("a.jsonl", b"\n" * 100_000 + b'{"text": "x"}\n', 1, 0, ""),
    "a key twice": ("a.jsonl", b'{"text": "a", "text": "b"}\n{"text": "c"}\n', 2, 1, "the key 'text' comes twice"),
    "a key twice, deep": ("a.jsonl", b'{"text": "a", "m": {"k": 1, "k": 2}}\n{"text": "c"}\n', 2, 1, "'k' comes twice"),
    "many keys": (
        "a.jsonl",
        b'{"text": "a"' + b"".join(b',"k%d":1' % n for n in range(20_000)) + b"}\n",
        1,
        0,
        "",
    ),
    "NaN": ("a.jsonl", b'{"text": "a", "x": NaN}\n{"text": "b"}\n', 2, 0, ""),
    "infinity": ("a.jsonl", b'{"text": "a", "speed": 1e999}\n{"text": "b"}\n', 2, 1, "speed inf is not"),
    "a number of five thousand digits": ("a.jsonl", b'{"text": "a"}\n{"id": ' + b"9" * 5_000 + b"}\n", 2, 1, "line 2"),
    "a number of four thousand digits": (
        "a.jsonl",
        b'{"text": "a", "seed": ' + b"9" * 4_000 + b"}\n",
        1,
        1,
        "seed 999",
    ),
    "a text of lists": ("a.jsonl", f'{{"text": {deep(900)}}}\n'.encode() + b'{"text": "b"}\n', 2, 1, "line 1"),
    "an id of lists": (
        "a.jsonl",
        f'{{"text": "a", "id": {deep(900)}}}\n'.encode() + b'{"text": "b"}\n',
        2,
        1,
        "line 1",
    ),
    "non-objects": ("a.jsonl", b'{"text": "a"}\nnull\ntrue\n[]\n"x"\n3\n', 6, 5, "line 2: a JSON null"),
    "a NUL": ("a.jsonl", b'{"text": "a\\u0000b"}\n{"text": "c"}\n', 2, 1, "the text holds a NUL"),
    "half a surrogate": ("a.jsonl", b'{"text": "a\\ud800"}\n{"text": "c"}\n', 2, 1, "half a surrogate pair"),
    "texts of all types": (
        "a.parquet",
        table({"text": pa.array([{"a": 1}, None])}),
        2,
        2,
        "row 1: the text (column 'text') is a dict",
    ),
    "texts in a dictionary": ("a.parquet", table({"text": pa.array(["a", "b", "a"]).dictionary_encode()}), 3, 0, ""),
    "one text ten thousand times": (
        "a.parquet",
        lambda: table({"text": pa.DictionaryArray.from_arrays(np.zeros(10_000, np.int32), ["x" * 200_000])}),
        10_000,
        10_000,
        "the text has 200,000 characters",
    ),
    "a row group of many rows": (
        "a.parquet",
        lambda: table({"text": ["Hello."] * 9_000}, row_group_size=1 << 20),
        9_000,
        0,
        "",
    ),
    "dates that python lacks": (
        "a.parquet",
        table({"text": ["a", "b"], "at": pa.array([0, 2**62], pa.timestamp("ms"))}),
        2,
        1,
        "row 2: column 'at'",
    ),
    "a time zone that nobody has": (
        "a.parquet",
        table({"text": ["a"], "at": pa.array([1], pa.timestamp("us", tz="Mars/Phobos"))}),
        1,
        1,
        "row 1: column 'at'",
    ),
    "nested columns": (
        "a.parquet",
        table(
            {
                "text": ["a"],
                "m": pa.array([[[{"k": [1, None]}]]]),
                "n": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
            }
        ),
        1,
        0,
        "",
    ),
    "texts of numbers": ("a.parquet", table({"text": pa.array([1.5, float("nan"), None])}), 3, 2, "is empty"),
}


DEAR = ("many keys", "one text ten thousand times")
"""They take a second each."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in DEAR else name for name in ROWS]
)
def test_hostile_rows_fail_with_their_place_and_cost_nobody_else(tmp_path: Path, plan: Plan, name: str) -> None:
    file, content, num_rows, num_rejected, told = ROWS[name]
    (tmp_path / file).write_bytes(content() if callable(content) else content)
    if told == "!":
        plan(file, status=2, names=(file,))
        return
    made = plan(file)
    assert (made["num_rows"], made["num_rejected"]) == (num_rows, num_rejected), made["examples"]
    if num_rejected:
        reason = made["examples"][0]["reason"]
        assert file in reason
        assert told in reason


def test_a_bomb_of_gzip_takes_no_memory(tmp_path: Path, plan: Plan) -> None:
    """Of one line, and of blank lines before a header. Its members are alike: each is packed once."""
    for name, unit, num_members, status in (
        ("a.jsonl.gz", b"x", 4, 0),
        ("b.csv.gz", b"x", 4, 2),
        ("c.csv.gz", b"\n", 32, 2),
    ):
        head = gzip.compress(b'{"text": "a"}\n') if status == 0 else b""
        (tmp_path / name).write_bytes(head + gzip.compress(unit * (1 << 24), 1) * num_members)
        made = plan(name, status=status, names=(name,) if status else ())
        if status == 0:
            assert (made["num_rows"], made["num_rejected"]) == (2, 1)


def fifo(path: Path) -> None:
    os.mkfifo(path)


PLACES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a folder": (Path.mkdir, "a.csv", "a.csv is a folder: name the files in it"),
    "a pipe that nobody writes to": (fifo, "a.csv", "a.csv is no regular file"),
    "a link to itself": (lambda path: path.symlink_to(path), "a.csv", "no file matches"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "a.csv", "no file matches"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a.csv", "a.csv is no regular file"),
    "a glob that matches nothing": (Path.touch, "*.parquet", "no file matches"),
    "a glob that matches a pipe": (fifo, "*.csv", "no file matches"),
    "a glob of many stars": (Path.touch, "**/" * 30 + "x.parquet", "no file matches"),
    "an unknown format": (Path.touch, "a.csv/../a.txt", "no file matches"),
    "a name of 300 characters": (Path.touch, "x" * 300 + ".csv", "File name too long"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_is_no_file_is_one_line(tmp_path: Path, plan: Plan, name: str) -> None:
    make, pattern, told = PLACES[name]
    make(tmp_path / "a.csv")
    plan(pattern, status=2, names=(told,))


def test_links_in_a_circle_are_gone_round_once(tmp_path: Path) -> None:
    """Two links to their own folder once made 2^40 names of every file."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    for name in ("a/1.csv", "a/b/2.csv", "c/3.csv"):
        (tmp_path / name).write_text("text\nHello.\n", encoding="utf-8")
    for link, target in (
        ("a/up", tmp_path),
        ("a/me", tmp_path / "a"),
        ("a/b/me", tmp_path / "a/b"),
        ("a/c", tmp_path / "c"),
    ):
        (tmp_path / link).symlink_to(target)
    (tmp_path / "c/a").symlink_to(tmp_path / "a")
    found = [file.uri.removeprefix(f"{tmp_path}/") for file in Corpus(InputOptions(f"{tmp_path}/**/*.csv")).files]
    assert {"a/1.csv", "a/b/2.csv", "c/3.csv", "a/c/3.csv", "c/a/1.csv", "c/a/b/2.csv"} == set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("raw", [b"caf\xe9.csv", b"a\nb.csv", b"\x1b[31m.csv", "a\u202evsc.csv".encode()])
def test_a_file_name_that_no_terminal_takes(tmp_path: Path, tell: Tell, raw: bytes) -> None:
    """Its rows are read, and what is said of them can be printed."""
    (tmp_path / "in").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/in/" + raw)).write_bytes(b"text\nHello.\n\x00\n")
    job = {"input": {"uri": f"{tmp_path}/in/*"}, "model": {"name": "tone"}, "output": {"uri": f"{tmp_path}/out"}}
    (tmp_path / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    said = tell("plan", f"{tmp_path}/job.yaml", status=0)
    assert "line 3: the text holds a NUL" in said
    tell("plan", f"{tmp_path}/job.yaml", "--set", "input.text=none", names=("has no column 'none'",))
