"""What has to hold in every state of a store, whatever its drivers do; where it starts, and what is left at its end."""

from __future__ import annotations

from typing import Any

from speechmill.actors.records.keys import AUDIO_PREFIX, ROOT_KEY, TEXT_PREFIX
from speechmill.cluster.commit.adoptions import NO_NAMES
from speechmill.cluster.commit.claimed_run import ClaimedRun
from speechmill.cluster.commit.operations import RootFile
from speechmill.cluster.commit.read import Read
from speechmill.cluster.commit.root import Root
from speechmill.cluster.commit.state import State
from speechmill.cluster.commit.write_root import WriteRoot

from .model_store import TAG, ModelStore, as_root
from .space import World


class Invariants(ModelStore):
    """The faults of a state, and of what a reader says."""

    def initial(self, kind: str) -> tuple[dict[str, Any], Any]:
        """A store and what is told complete there: "empty", "open" (without the last shard), "complete"; by run 1."""
        if kind == "empty":
            return {}, None
        store: dict[str, Any] = {}
        run = ClaimedRun(RootFile(Root(1, TAG, "old"), "J"), "old", NO_NAMES)
        for shard in self.shards[: -1 if kind == "open" else None]:
            run, stamp = run.begin_commit()
            audio = f"{AUDIO_PREFIX}{shard}-{run.stamp}-a9.tar"
            key = self.manifest_key(shard, stamp, 9)
            store |= {audio: "J", key: ("J", audio)}
            run = run.commit_landed(key)
        store[ROOT_KEY] = run.file if kind == "open" else WriteRoot(run.file, None).file
        if kind == "complete":
            store[ROOT_KEY] = run.complete("J", nonce="old complete").file
        return store, 1 if kind == "complete" else None

    def fault_of(self, driver: Any) -> str | None:
        is_damaged = isinstance(driver.machine, Read) and driver.machine.state is State.DAMAGED
        return "a reader says damaged, and nothing is" if is_damaged else None

    def fault(self, world: World) -> str | None:
        store = world.store
        found = self.found(store)
        if found is None:
            return "a complete output lost its root" if world.done else None
        root, counted, is_complete = found.file.root, self.counted(store, found.file.root), self.is_complete(store)
        if world.done is not None and not (is_complete and root.run == world.done):
            return "what was told complete is not complete any more"
        for many in counted.values():
            if len(many) > 1:
                return "a shard counts twice"
            _, (job, audio) = many[0]
            if job != found.file.body and (job, found.file.body) != ("J", "U"):
                return "a manifest of another job counts"
            if audio not in store:
                return "audio that a counted manifest names is gone"
        for state in root.earlier:
            kept = as_root(root, state)
            if kept is None:
                continue
            held = self.counted(store, kept)
            keys = [key for many in held.values() for key, _ in many]
            if kept.names != NO_NAMES.plus(keys):
                return "a state that is kept has lost a manifest"
            if any(audio not in store for many in held.values() for _, (_, audio) in many):
                return "a state that is kept has lost audio"
        if is_complete and len(counted) < len(self.shards):
            return "complete, and a shard is missing"
        keys = [key for many in counted.values() for key, _ in many]
        if root.names is not None and root.names != NO_NAMES.plus(keys):
            return "complete, and other manifests count than when it was completed"
        if world.acked - counted.keys() and not self.blind:  # what a listing does not show is spoken again
            return "a committed shard does not count any more"
        return None

    def left_over(self, store: dict[str, Any]) -> set[str]:
        """What a sweep ought to have removed, or not."""
        root = store[ROOT_KEY].root
        keep = {ROOT_KEY}
        for state in [root, *[kept for state in root.earlier if (kept := as_root(root, state))]]:
            for many in self.counted(store, state).values():
                keep |= {many[0][0], many[0][1][1]}
        texts = {key for key in store if key.startswith(TEXT_PREFIX)}
        return (set(store) ^ keep) - texts
