"""A job while everything breaks: replicas, raylets and the driver killed with -9, and a store that fails.

A Ray cluster of several raylets on this machine, a real S3 server behind a proxy that fails a share of the requests,
and a job of `tone`, whose rows take as long as they are told to. A raylet that was killed is put back; a driver that
has ended before the job was complete is started again, as a supervisor does. One is also stopped (SIGSTOP) until its
lease has run out and another has taken over, and then wakes beside that one. When the job is complete, its rows are
compared with those of a calm run, and what was spoken more than once is counted.

lost, duplicated   rows in no manifest, and in more than one
recomputed         characters spoken beyond those of the corpus, as a share of them; a batch that a kill cut off counts
stale_drivers      exit statuses of drivers that woke up beside their successor: 3, they were told
equal_to_calm      whether the manifests name the same ids with the same audio (pcm_sha256) as those of the calm run
verified           whether `speechmill verify` finds every clip there, whole and right

A replica that dies loses what it has begun and not stored: about half of a shard. So shards are small beside the time
between deaths, as a user of a cluster that is preempted all the time would choose them.

    python benchmarks/chaos.py [--minutes 10] [--replica-every 10] [--raylet-every 60] [--drivers 3] [--pauses 3]
                               [--s3-faults 0.05] [--hang 8] [--lease 15]
                               [--nodes 3] [--node-replicas 2] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from common import machine, parsed, show
from lib.chaos_cluster import Driver, Nodes, adopt_orphans, end_descendants, prepare_environment
from lib.chaos_model import FIRST_WORD, JOURNAL, chars_spoken
from lib.chaos_storm import Storm
from lib.faulty_s3 import FaultyS3

ROW_S = 0.05
"""That the average row takes."""

SHARD_ROWS, BATCH_ROWS = 16, 4
TINY = {
    "minutes": 0.5,
    "nodes": 2,
    "node_replicas": 1,
    "replica_every": 10.0,
    "raylet_every": 28.0,
    "drivers": 1,
    "pauses": 1,
    "hang": 2.0,
    "lease": 6.0,
}
"""Every kind of fault: the driver is stopped, and its successor killed when that one has woken."""

MAX_ROWS_WITHOUT_RAY = 5_000
"""The calm run of fewer has one process beside this one, and no Ray."""

UP = 0.7
"""Of the time, that a replica is up and speaks: the job is made so long that the faults last."""


def main() -> None:
    """The calm run, the other, the comparison."""
    arguments = _arguments()
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from support.s3server import S3Server

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    adopt_orphans()
    server = S3Server()
    folder = prepare_environment()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        os.environ.pop(name, None)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1,localhost",
        JOURNAL: str(folder / "journal"),
    }
    try:
        server.start()
        nodes = Nodes(arguments.nodes, arguments.node_replicas)
        try:
            figures = compared(arguments, folder, server, nodes)
        finally:
            nodes.close()
    finally:
        server.close()
        end_descendants()
        shutil.rmtree(folder, ignore_errors=True)
    rows = [[key, _cell(value)] for key, value in figures.items()]
    show(f"{figures['rows']:,} rows, {arguments.minutes:g} minutes of faults", ["", ""], rows, figures)
    is_good = not figures["lost"] and not figures["duplicated"] and figures["equal_to_calm"] and figures["verified"]
    raise SystemExit(0 if is_good else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=_above_zero, default=10.0, help="that the faults go on for")
    parser.add_argument("--replica-every", type=_above_zero, default=10.0, help="seconds between kills of replicas")
    parser.add_argument("--raylet-every", type=_above_zero, default=60.0, help="seconds between kills of raylets")
    parser.add_argument("--drivers", type=int, default=3, help="how often the driver is killed")
    parser.add_argument("--pauses", type=int, default=3, help="how often it is stopped, and wakes beside another one")
    parser.add_argument("--s3-faults", type=float, default=0.05, help="share of requests that fail")
    parser.add_argument("--hang", type=_above_zero, default=8.0, help="seconds that a request hangs before it fails")
    parser.add_argument("--lease", type=_above_zero, default=15.0, help="seconds of the drivers' leases, not a minute")
    parser.add_argument("--nodes", type=_count, default=3, help="raylets")
    parser.add_argument("--node-replicas", type=_count, default=2, help="replicas on each")
    parser.add_argument("--seed", type=int, default=0)
    return parsed(parser, "half a minute of faults on two raylets, one or two in all", **TINY)


def _above_zero(value: str) -> float:
    if not 0 < float(value) < float("inf"):
        raise argparse.ArgumentTypeError(f"{value} must be above 0")
    return float(value)


def _count(value: str) -> int:
    if int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value} must be 1 or more")
    return int(value)


def compared(arguments: argparse.Namespace, folder: Path, server: Any, nodes: Nodes) -> dict[str, Any]:
    """Both runs, and what they differ in."""
    from speechmill import S3Options

    num_replicas = arguments.nodes * arguments.node_replicas
    num_rows = max(1, round(arguments.minutes * 60 * num_replicas * UP / ROW_S))
    num_chars = write_corpus(folder / "corpus.jsonl", num_rows, random.Random(arguments.seed))
    journal = Path(os.environ[JOURNAL])
    bucket, direct = server.new_bucket(), S3Options(server.endpoint, "us-east-1")
    calm, stormy = f"s3://{bucket}/calm", f"s3://{bucket}/stormy"
    where = "local" if num_rows < MAX_ROWS_WITHOUT_RAY else nodes.address
    run_calmly(job_file(folder, "calm", calm, server.endpoint, 1, 0.0), where)
    proxy = FaultyS3(server.endpoint, arguments.s3_faults, arguments.seed, arguments.hang)
    cell_s = ROW_S * num_rows / num_chars
    file = job_file(folder, "stormy", stormy, proxy.endpoint, num_replicas, cell_s)
    driver = Driver(file, nodes.address, arguments.lease)
    try:
        began_s = time.monotonic()
        faults = Storm(arguments, nodes, driver, journal).rage()
        wall_s = time.monotonic() - began_s
    finally:
        driver.close()
        proxy.close()
    found, wanted = Counter(records(stormy, direct)), Counter(records(calm, direct))
    ids = Counter(row_id for row_id, _ in found.elements())
    return {
        "rows": num_rows,
        "lost": num_rows - len(ids),
        "duplicated": ids.total() - len(ids),
        "recomputed": round(chars_spoken(journal) / num_chars - 1, 4),
        "equal_to_calm": found == wanted,
        "verified": is_verified(stormy, direct),
        "stale_drivers": list(driver.stale_statuses),
        "faults": {**faults, "s3": proxy.faults.total(), "s3_kinds": dict(proxy.faults)},
        "s3_requests": proxy.num_requests,
        "wall_s": round(wall_s, 1),
        "speaking_s": round(num_rows * ROW_S / num_replicas, 1),
        "replicas": num_replicas,
        "machine": machine(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def write_corpus(path: Path, num_rows: int, chance: random.Random) -> int:
    """Rows of log-normal lengths; their characters, all together."""
    num_chars = 0
    with path.open("w", encoding="utf-8") as stream:
        for row in range(num_rows):
            text = f"{FIRST_WORD} {row} " + "la " * min(100, int(chance.lognormvariate(3.0, 0.6)))
            num_chars += len(text.strip())
            stream.write(json.dumps({"id": f"id-{row}", "text": text.strip()}) + "\n")
    return num_chars


def job_file(folder: Path, name: str, uri: str, endpoint: str, num_replicas: int, cell_s: float) -> Path:
    """A job; one that takes no time where `cell_s` is 0."""
    options = {"audio_char_s": 0.002, "cell_s": cell_s}
    model = "chaos_model:Journalled" if cell_s else "tone"
    job = {
        "name": name,
        "input": {"uri": str(folder / "corpus.jsonl")},
        "model": {"name": model, "device": "cpu", "batch_size": BATCH_ROWS, "options": options},
        "output": {"uri": uri, "container": "webdataset", "audio": "wav", "s3": {"endpoint_url": endpoint}},
        "cluster": {"replicas": num_replicas},
        "sharding": {"shard_rows": SHARD_ROWS if cell_s else 1_000},
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def run_calmly(file: Path, address: str) -> None:
    """A run that nothing disturbs, from this process."""
    import speechmill

    where = [f"cluster.address={address}", f"cluster.ray_from_rows={MAX_ROWS_WITHOUT_RAY}"]
    result = speechmill.Job.load(file, where).run()
    if result.exit_code:
        raise SystemExit(f"the calm run ended with {result}")


def records(uri: str, s3: Any) -> list[tuple[str, str]]:
    """(id, pcm_sha256, or why it failed) of every row of every manifest that counts."""
    from speechmill.cluster.storage import open_storage
    from speechmill.jobs.output.holdings import counted_parts
    from speechmill.jobs.output.output_file import OutputFile
    from speechmill.jobs.output.reader import load_part

    storage = open_storage(uri, s3)
    return [
        (record.id, record.pcm_sha256 or str(record.error))
        for part in counted_parts(storage, OutputFile.load(storage))
        for record in load_part(storage, part)
    ]


def is_verified(uri: str, s3: Any) -> bool:
    """Whether `speechmill verify --no-decode` finds nothing wrong."""
    from speechmill.cluster.storage import open_storage
    from speechmill.jobs.verify import verify

    return verify(open_storage(uri, s3), decode=False).is_ok


def _cell(value: Any) -> str:
    return ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else str(value)


if __name__ == "__main__":
    main()
