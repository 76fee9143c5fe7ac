"""An open output, and keys of manifests in it."""

from __future__ import annotations

from speechmill.cluster.commit.operations import Found, RootFile
from speechmill.cluster.commit.root import Root

OPEN = Found(RootFile(Root(4, "5f3a", "n4"), "J"), "tag 4")


def manifest(shard: int, run: int, number: int) -> str:
    return f"manifest/000000/{shard:04d}.r5f3a-{run}.n{number}.ok1.failed0.ms1.aa.jsonl"
