"""Two shards on one replica at once: their rows fill the same slots, and each shard gets its own."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.waiting import HANG_S

from speechmill.actors.engine.request import Generated
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Utterance
from speechmill.actors.replica.receipt import JobConfig, Receipt, ReplicaConfig
from speechmill.actors.replica.replica import Replica
from speechmill.errors import StorageUnavailable

OPTIONS = {"max_steps": 12, "incomplete": "keep", "deterministic": True}


class Part:
    """Takes clips; `fails` from the first on."""

    def __init__(self, fails: bool) -> None:
        self._fails = fails

    def add(self, row: int, id: str, encoded: bytes, sidecar: object) -> tuple[str, None]:
        if self._fails:
            raise StorageUnavailable("the store is away")
        return f"audio/{id}", None

    def close(self) -> None:
        """Nothing to close."""

    def abort(self) -> None:
        """Nothing to forget."""


class Store:
    """Parts whose name begins with "bad" fail."""

    def check(self) -> None:
        """It is there."""

    def open_part(self, name: str) -> Part:
        return Part(name.startswith("bad"))


def replica(folder: Path) -> Replica:
    config = ReplicaConfig(ModelConfig("chattts", path=str(folder), options=OPTIONS))
    made = Replica(config)
    made.join("job", JobConfig(config.model, "wav"), Store())
    return made


def rows(first: int, count: int) -> list[Utterance]:
    texts = ["Good morning, and welcome.", "今天天气很好。", "It costs $42!", "好"]
    return [Utterance(row, f"row-{row}", texts[row % 4], seed=row) for row in range(first, first + count)]


def spoken(receipt: Receipt) -> dict[int, str | None]:
    records: list[Record] = list(decode_records(receipt.manifest, "test"))
    assert all(record.status == "ok" for record in records)
    return {record.row: record.pcm_sha256 for record in records}


def test_two_shards_at_once_are_each_what_they_are_alone(tiny_folder: Path) -> None:
    alone = replica(tiny_folder)
    wanted = [spoken(alone.speak("job", "a", rows(0, 6))), spoken(alone.speak("job", "b", rows(100, 5)))]
    made = replica(tiny_folder)
    together = threading.Barrier(2)

    def speak(name: str, first: int, count: int) -> dict[int, str | None]:
        together.wait()
        return spoken(made.speak("job", name, rows(first, count)))

    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(speak, "a", 0, 6), threads.submit(speak, "b", 100, 5)]
        assert [future.result(HANG_S) for future in found] == wanted


def test_a_shard_whose_store_is_away_leaves_the_other_alone(tiny_folder: Path) -> None:
    made = replica(tiny_folder)
    wanted = spoken(made.speak("job", "alone", rows(0, 6)))
    with ThreadPoolExecutor(2) as threads:
        good = threads.submit(made.speak, "job", "good", rows(0, 6))
        bad = threads.submit(made.speak, "job", "bad", rows(100, 6))
        assert spoken(good.result(HANG_S)) == wanted
        assert isinstance(bad.exception(100), StorageUnavailable)
    assert spoken(made.speak("job", "later", rows(0, 6))) == wanted


class Counting(Part):
    """Does something when it has taken three clips."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__(fails=False)
        self._count, self._then = itertools.count(1), then

    def add(self, row: int, id: str, encoded: bytes, sidecar: object) -> tuple[str, None]:
        if next(self._count) == 3:
            self._then()
        return super().add(row, id, encoded, sidecar)


def test_a_shard_that_is_handed_back_leaves_its_slots_and_the_rest_is_what_it_would_have_been(
    tiny_folder: Path,
) -> None:
    made = replica(tiny_folder)
    whole = spoken(made.speak("job", "whole", rows(0, 24)))
    is_told = threading.Event()

    def hand_back() -> None:
        made.hand_back("job", "p")
        is_told.set()

    part = Counting(hand_back)
    engine = made._ready.model._ready._engine("speak")._engine  # type: ignore[attr-defined]
    before, step = engine.usage.steps, engine.step

    def stepped() -> list[Generated]:
        # The first rows end at step 12 at the latest; of the others some have not begun then.
        assert engine.usage.steps < before + 17 or is_told.wait(HANG_S)
        return step()

    engine.step = stepped
    made._jobs["job"].store.open_part = lambda name: part if name == "p" else Part(fails=False)  # type: ignore[method-assign]
    receipt = made.speak("job", "p", rows(0, 24))
    first = spoken(receipt)
    assert 3 <= len(first) < 24
    assert sorted([*first, *receipt.left]) == list(range(24))
    engine.step = step
    rest = spoken(made.speak("job", "q", [row for row in rows(0, 24) if row.row in receipt.left]))
    assert first | rest == whole
