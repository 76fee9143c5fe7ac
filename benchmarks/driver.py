"""What a row costs beside the model: CPU seconds of the driver, and of the replica.

The driver runs a whole job (read, plan, pickle, take receipts, commit) over replicas made believe: a receipt is
made up for each shard, and the seconds of that are taken off. The replica is a real one, and the model a tone at no
cost: texts are read, clips of a few samples encoded and written, manifest lines made. Both are of this process alone,
so other work on the machine does not lengthen them.

    python benchmarks/driver.py [--rows 200000] [--replica-rows 20000] [--tiny]
"""

from __future__ import annotations

import argparse
import pickle
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from common import machine, parsed, show
from driver_memory import write_corpus

import speechmill
from speechmill.actors.batcher.stats import BatchStats
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.manifest import content_digest, encode_records
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Shard, Utterance
from speechmill.actors.replica.receipt import JobConfig, Receipt, ReplicaConfig
from speechmill.actors.replica.replica import Replica
from speechmill.cluster.containers.parts import Parts
from speechmill.cluster.scheduling.shard_tracker import CompletedShard
from speechmill.cluster.storage import open_storage
from speechmill.jobs.run import driver

AUDIO_CHAR_S = 0.0002
SHARD_ROWS = 1_000
MADE_UP = {
    "audio": "audio/part.parquet",
    "audio_format": "wav",
    "audio_bytes": 144,
    "audio_sha256": "a" * 64,
    "sample_rate": 8_000,
    "num_samples": 50,
    "duration_s": 0.00625,
    "pcm_sha256": "b" * 64,
    "num_segments": 1,
}
"""The audio of every row that no replica spoke."""


class MadeUpPool:
    """As many replicas as are wanted: each shard is done as soon as it is fed.

    Attributes:
        made_up_s: CPU seconds of the receipts
    """

    num_deaths = 0
    notice = ""
    orphaned_parts = spans = states = staticmethod(list)
    made_up_s = 0.0

    def __init__(self) -> None:
        self._shards: list[tuple[Shard, bytes]] = []
        self._is_all = False
        self.profiles: dict[str, Any] = {}
        self.cards: dict[str, Any] = {}

    def __enter__(self) -> MadeUpPool:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing has to end."""

    @property
    def is_idle(self) -> bool:
        return not self._shards

    @property
    def wants_more(self) -> bool:
        return not self._is_all and len(self._shards) < 4

    def feed(self, shards: Sequence[Shard], *, is_all: bool = False) -> None:
        """Take shards, and pickle their rows as a pool does that sends them."""
        self._shards += [(shard, pickle.dumps(shard.utterances, pickle.HIGHEST_PROTOCOL)) for shard in shards]
        self._is_all = self._is_all or is_all

    def collect(self, timeout_s: float) -> list[CompletedShard]:
        """All shards that are here, done."""
        began_s = time.thread_time()
        shards, self._shards = self._shards, []
        done = [CompletedShard(shard, (receipt_of(list(pickle.loads(sent))),), ()) for shard, sent in shards]
        self.made_up_s += time.thread_time() - began_s
        return done

    def finish(self, timeout_s: float) -> None:
        """Wait for nothing."""


def receipt_of(utterances: Sequence[Utterance]) -> Receipt:
    """The receipt of a replica that has spoken these rows."""
    made: dict[str, Any] = MADE_UP
    records = [
        Record.of_utterance(u, model="tone", model_revision="1", default_voice="sine", member=place, **made)
        for place, u in enumerate(utterances)
    ]
    audio_ms = sum(record.audio_ms for record in records)
    manifest, audio_bytes = encode_records(records), 144 * len(records)
    content = content_digest(manifest)
    return Receipt(len(records), 0, audio_ms, 0.0, BatchStats(), audio_bytes, manifest, content=content)


def driver_s(folder: Path, num_rows: int) -> float:
    """CPU seconds of the driver over a corpus of this many rows."""
    write_corpus(folder / "corpus.csv", num_rows)
    job = speechmill.Job(
        input={"uri": str(folder / "corpus.csv")},
        model={"name": "tone", "options": {"audio_char_s": AUDIO_CHAR_S}},
        output={"uri": str(folder / "out"), "container": "parquet", "audio": "wav"},
        cluster={"replicas": 1},
        sharding={"shard_rows": SHARD_ROWS},
    )
    pool = MadeUpPool()
    with patch.multiple(
        driver,
        num_processes=lambda job, device: 1,
        ProcessSource=lambda num_replicas, config: config,
        Pool=lambda source, config, parts, *, stamp: pool,
    ):
        began_s = time.process_time()
        result = job.run()
        spent_s = time.process_time() - began_s - pool.made_up_s
    assert result.num_ok == num_rows
    return spent_s


def replica_s(folder: Path, num_rows: int) -> float:
    """CPU seconds of a replica's threads over this many rows, after a first shard."""
    (folder / "job.json").write_text("{}")
    model = ModelConfig("tone", options={"audio_char_s": AUDIO_CHAR_S})
    replica = Replica(ReplicaConfig(model))
    replica.load()
    replica.join("benchmark", JobConfig(model, "wav"), Parts(open_storage(str(folder)), "parquet", "wav"))
    spent_s = 0.0
    for shard in range(1 + -(-num_rows // SHARD_ROWS)):
        count = min(SHARD_ROWS, num_rows - SHARD_ROWS * (shard - 1)) if shard else min(SHARD_ROWS, num_rows)
        first = SHARD_ROWS * shard
        rows = [
            Utterance(row, f"row-{row:09d}", f"Row {row} " + "la so mi re do fa ti ut " * (1 + row * 7 % 4), row)
            for row in range(first, first + count)
        ]
        began_s = time.process_time()
        replica.speak("benchmark", f"000000-{shard:04d}-r5f3a-7-9f2c1a", rows)
        spent_s += time.process_time() - began_s if shard else 0.0
    return spent_s


def main() -> None:
    """Measure the driver, then the replica."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--replica-rows", type=int, default=20_000)
    arguments = parsed(parser, "1,200 and 300 rows", rows=1_200, replica_rows=300)
    folder = Path(tempfile.mkdtemp())
    try:
        driver_rows_per_s = arguments.rows / driver_s(folder, arguments.rows)
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        (folder / "replica").mkdir()
        row_ms = 1_000 * replica_s(folder / "replica", arguments.replica_rows) / arguments.replica_rows
    finally:
        shutil.rmtree(folder)
    figures = {
        "rows": arguments.rows,
        "replica_rows": arguments.replica_rows,
        "driver_rows_per_s": round(driver_rows_per_s),
        "driver_rss_bytes": peak_bytes,
        "replica_row_ms": round(row_ms, 4),
        "device": "cpu",
        "machine": machine(),
    }
    row = [f"{arguments.rows:,}", f"{driver_rows_per_s:,.0f}", f"{peak_bytes / 2**20:,.0f} MiB", f"{row_ms:.3f} ms"]
    columns = ["rows", "driver, rows/s of CPU", "driver's peak", "replica, CPU a row"]
    show("a row beside the model, tone at zero cost, wav in parquet", columns, [row], figures)


if __name__ == "__main__":
    main()
