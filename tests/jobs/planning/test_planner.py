"""Laws of planning: however a run was cut off, the next one cuts the same shards and reads nothing that is finished."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.actors.records.part_name import PartName
from speechmill.cluster.sharding.sharding import CostModel, ShardLimits
from speechmill.cluster.storage import Entry, Storage, open_storage
from speechmill.errors import JobChanged
from speechmill.jobs.corpus import Corpus, InputFile, InputOptions
from speechmill.jobs.corpus.reader import RawRow, RawRows, Reader
from speechmill.jobs.output import plan_log
from speechmill.jobs.output.ledger import Ledger
from speechmill.jobs.output.plan_log import PlanLog, delete_plan
from speechmill.jobs.planning.planner import Planned, Planner

COST, LIMITS = CostModel(0.1, 0.01, 0.1), ShardLimits(3, 20.0)
FINGERPRINT = "f" * 64
Row = dict[str, str]
Shards = list[tuple[str, str]]

TEXTS = st.sampled_from(
    ["Hello.", "One\ntwo", 'Said "no", then\r\nleft', "", "naïve café 你好", "\u2028 odd", "x" * 30]
)
ROWS = st.lists(st.fixed_dictionaries({"id": st.sampled_from([*"abcdefghijkl", "é", ""]), "text": TEXTS}), max_size=14)
FILES = st.lists(ROWS, min_size=1, max_size=3)


def as_csv(rows: Sequence[Row], delimiter: str, line_end: str) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, ["id", "text"], delimiter=delimiter, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def as_parquet(rows: Sequence[Row]) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in ("id", "text")})
    pq.write_table(table, buffer, row_group_size=3)
    return buffer.getvalue()


def as_jsonl(rows: Sequence[Row]) -> bytes:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    return "\n".join([*lines[:2], "", *lines[2:], "no json" if rows else ""]).encode()


STRAY = b'id,text\nq1,"never closed\nq2,caf\xe9\nq3,too,many\n\nq4,"two\nlines"\n'
FORMATS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    "a.csv": lambda rows: as_csv(rows, ",", "\n"),
    "b.csv": lambda rows: "\ufeff".encode() + as_csv(rows, ",", "\r\n") + b"\r\n\r\n",
    "c.csv": lambda rows: as_csv(rows, ",", "\r"),
    "d.tsv": lambda rows: as_csv(rows, "\t", "\n"),
    "e.csv.gz": lambda rows: gzip.compress(as_csv(rows, ",", "\n")),
    "f.jsonl": as_jsonl,
    "g.jsonl.gz": lambda rows: gzip.compress("\ufeff".encode() + as_jsonl(rows)),
    "h.parquet": as_parquet,
    "j.csv": lambda rows: "\ufeffsep=;\r\n".encode() + as_csv(rows, ";", "\r\n"),
    "i.csv": lambda rows: STRAY + as_csv(rows, ",", "\n").partition(b"\n")[2],
}


@dataclass
class Counting(Reader):
    """Another reader, and the numbers of the rows that it was asked for."""

    reader: Reader
    seen: list[tuple[str, int]]

    def __post_init__(self) -> None:
        self.file, self.unit = self.reader.file, self.reader.unit

    offset = property(lambda self: self.reader.offset)  # type: ignore[assignment]
    number = property(lambda self: self.reader.number)  # type: ignore[assignment]

    def columns(self) -> tuple[str, ...] | None:
        return self.reader.columns()

    def rows(self, *arguments: Any) -> Iterator[RawRow]:
        return self.reader.rows(*arguments)

    def batches(self, *arguments: Any) -> Iterator[RawRows]:
        found = self.reader.batches(*arguments)
        while True:
            self.reader.most_rows = self.most_rows
            if (batch := next(found, None)) is None:
                return
            self.seen += [(self.file.name, number) for number in batch.numbers]
            yield batch


class CountedCorpus(Corpus):
    """A corpus that knows which of its rows were read."""

    seen: list[tuple[str, int]]

    def open_reader(self, file: InputFile) -> Reader:
        return Counting(super().open_reader(file), self.seen)


@dataclass
class Bench:
    """A corpus in files, an output, and runs over them that plan and commit, and stop when told."""

    folder: Path
    window_rows: int = 4
    chunk_windows: int = 3
    storage: Storage = field(init=False)
    seen: list[tuple[str, int]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.storage = open_storage(str(self.folder / "out"))

    def write(self, files: Sequence[Sequence[Row]], kind: str) -> None:
        (self.folder / "in").mkdir()
        for number, rows in enumerate(files):
            (self.folder / "in" / f"{number}{kind}").write_bytes(FORMATS[kind](rows))

    def corpus(self) -> CountedCorpus:
        corpus = CountedCorpus(InputOptions(f"{self.folder}/in/*", **self.options))
        corpus.check()
        corpus.seen = self.seen = []
        return corpus

    def run(self, num_windows: int | None = None, commit: Callable[[str], bool] = lambda _: True) -> list[Planned]:
        """Plan so many windows, and commit those of their parts that `commit` says."""
        with patch.object(plan_log, "MAX_WINDOWS", self.chunk_windows):
            log = PlanLog.read(self.storage, FINGERPRINT, self.window_rows)
        ledger = Ledger.of(map(_part, self.storage.list("manifest/")), log.windows)
        planned: list[Planned] = []
        for one in Planner(self.corpus(), log, ledger, COST, LIMITS):
            planned.append(one)
            for part in parts_of(one):
                if commit(part.shard_id):
                    self.storage.put(part.key, b"-")  # an empty object counts for nothing
                    ledger.add(part)
            if len(planned) == num_windows:
                break
        log.close()
        return planned

    @property
    def committed(self) -> Shards:
        return sorted((p.shard_id, p.digest) for p in map(_part, self.storage.list("manifest/")))


def _part(entry: Entry) -> PartName:
    return PartName.parse(entry.key)


def parts_of(planned: Planned) -> list[PartName]:
    """What a driver would commit of a window."""
    parts = [PartName(s.window, s.index, len(s.utterances), 0, 10, s.digest) for s in planned.todo]
    if planned.window is not None and planned.window.rejected:
        window = planned.window
        parts.append(PartName(window.index, None, 0, len(window.rejected), 0, window.rejected_digest))
    return parts


def places(bench: Bench) -> list[tuple[str, int]]:
    """Every row of the corpus, as a counting reader names it."""
    corpus = bench.corpus()
    list(corpus.rows())
    return list(corpus.seen)


EXAMPLES = min(8, settings.default.max_examples // 3)
"""Runs are dear: fewer of them where a profile has few examples."""


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(files=FILES, window_rows=st.integers(1, 9), data=st.data())
def test_a_run_cut_off_anywhere_goes_on_as_if_it_had_not(
    tmp_path_factory: pytest.TempPathFactory, kind: str, files: list[list[Row]], window_rows: int, data: st.DataObject
) -> None:
    calm, stormy = (Bench(tmp_path_factory.mktemp(name), window_rows) for name in ("calm", "stormy"))
    for bench in (calm, stormy):
        bench.write(files, kind)
    plans = [planned.plan for planned in calm.run()]
    expected = calm.committed
    stormy.chunk_windows = data.draw(st.integers(1, 4), "windows in a chunk")
    for _ in range(data.draw(st.integers(1, 3), "kills")):
        done = data.draw(st.sets(st.sampled_from([name for name, _ in expected] or [""])), "committed")
        stormy.run(data.draw(st.integers(1, max(1, len(plans))), "windows"), done.__contains__)
        assert set(stormy.committed) <= set(expected)
    assert [planned.plan for planned in stormy.run()] == plans
    assert stormy.committed == expected


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(files=FILES, window_rows=st.integers(1, 9), has_ids=st.booleans(), data=st.data())
def test_no_row_of_a_finished_window_is_read_again(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    files: list[list[Row]],
    window_rows: int,
    has_ids: bool,
    data: st.DataObject,
) -> None:
    bench = Bench(tmp_path_factory.mktemp("bench"), window_rows, options={} if has_ids else {"id": None})
    bench.write(files, kind)
    every = places(bench)
    num_windows = data.draw(st.integers(1, max(1, -(-len(every) // window_rows))), "windows")
    chunk = bench.chunk_windows = data.draw(st.integers(1, 3), "windows in a chunk")
    bench.run(num_windows)
    bench.run()
    seen = set(bench.seen)
    bench.run()
    assert bench.seen == [], "nothing is left to plan"
    # Ids are kept by the chunk: those of a chunk that is not full are read again.
    first = num_windows // chunk * chunk if has_ids and num_windows * window_rows < len(every) else num_windows
    assert seen <= set(every[first * window_rows :])


def rows(num_rows: int, num_ids: int) -> list[Row]:
    return [{"id": f"id-{row % num_ids}", "text": f"Row {row}."} for row in range(num_rows)]


@pytest.fixture(scope="module")
def half_planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Bench(tmp_path_factory.mktemp("half_planned"))
    made.write([rows(70, 50)], "a.csv")
    made.run(10, lambda shard: shard < "000008")
    return made.folder


@pytest.fixture
def bench(half_planned: Path, tmp_path: Path) -> Bench:
    """70 rows in windows of 4, of which those from the 50th on repeat ids, planned to the half and left."""
    shutil.copytree(half_planned, tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path)


def repeated(planned: Sequence[Planned]) -> list[int]:
    return [f.row for one in planned if one.window is not None for f in one.window.rejected]


@pytest.mark.parametrize("key", ["plan/000000.json", "plan/000001.json", "plan/000002.ids", "plan/000000.ids"])
@pytest.mark.parametrize("damage", [None, b"", b"{}", b"[]", b"\xff", slice(0, 100), slice(1, None)])
def test_a_damaged_log_costs_reading_and_nothing_else(bench: Bench, key: str, damage: bytes | slice | None) -> None:
    if damage is None:
        bench.storage.delete([key])
    else:
        bench.storage.put(key, damage if isinstance(damage, bytes) else bench.storage.get(key)[damage])
    assert repeated(bench.run()) == list(range(50, 70))
    bench.run()
    assert bench.seen == [], "the log is whole again"
    assert Ledger.of(map(_part, bench.storage.list("manifest/"))).totals.num_rows == 70


def test_a_number_changed_in_the_log_is_noticed(bench: Bench) -> None:
    body = json.loads(bench.storage.get("plan/000001.json"))
    body["windows"][0]["end"]["offset"] += 1
    bench.storage.put("plan/000001.json", json.dumps(body).encode())
    assert repeated(bench.run()) == list(range(50, 70))


@pytest.mark.parametrize(
    "change",
    [
        {"num_rows": 10**9},
        {"num_rows": 4.0},
        {"num_parts": -1},
        {"end": {"file": 0, "offset": -1, "number": 0}},
        {"end": {"file": 0, "offset": 1}},
        {"end": {"file": "0", "offset": 1, "number": 1}},
        {"repeated": "ffffff"},
        {"repeated": "xx"},
        {"cost_s": "1"},
        {"fraction_read": None},
        {"more": 1},
    ],
)
def test_a_log_that_somebody_wrote_by_hand_is_planned_anew(bench: Bench, change: dict[str, Any]) -> None:
    with patch.object(plan_log, "MAX_WINDOWS", 3):
        log = PlanLog.read(bench.storage, FINGERPRINT, 4)
        body = json.loads(bench.storage.get("plan/000001.json"))
        del body["check"]
        body["windows"][1] |= change
        bench.storage.put("plan/000001.json", json.dumps(body | {"check": log._check(body)}).encode())
        assert len(PlanLog.read(bench.storage, FINGERPRINT, 4).windows) == 3
    assert repeated(bench.run()) == list(range(50, 70))


def test_the_log_of_another_job_is_not_read(bench: Bench) -> None:
    with patch.object(plan_log, "MAX_WINDOWS", 3):
        assert len(PlanLog.read(bench.storage, FINGERPRINT, 4).windows) == 10
        assert PlanLog.read(bench.storage, "0" * 64, 4).windows == []
        bench.storage.delete(["plan/000001.json"])
        assert len(PlanLog.read(bench.storage, FINGERPRINT, 4).windows) == 3


def test_a_corpus_that_changed_behind_the_log_is_noticed(bench: Bench) -> None:
    path = bench.folder / "in" / "0a.csv"
    path.write_text(path.read_text().replace("Row 38.", "Raw 38."))
    with pytest.raises(JobChanged, match="window 9 of the corpus holds other rows than when it was planned"):
        bench.run()


def test_a_shard_with_other_rows_is_named(bench: Bench) -> None:
    plan_log.delete_plan(bench.storage)
    path = bench.folder / "in" / "0a.csv"
    path.write_text(path.read_text().replace("Row 2.", "Raw 2."))
    with pytest.raises(JobChanged, match=r"shard 000000-000. was committed with other rows"):
        bench.run()


def test_ids_of_rows_that_bring_none_are_not_kept(tmp_path: Path) -> None:
    made = Bench(tmp_path, options={"id": None})
    made.write([rows(70, 70)], "a.csv")
    made.run()
    assert not [entry.key for entry in made.storage.list("plan/") if entry.key.endswith(".ids")]


def test_the_log_is_deleted_and_strangers_are_not(bench: Bench) -> None:
    bench.storage.put("plan/mine.json", b"")
    delete_plan(bench.storage)
    assert [entry.key for entry in bench.storage.list("plan/")] == ["plan/mine.json"]
