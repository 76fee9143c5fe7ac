"""The rules of format 2, to see that what the tests look for is found where it is known to be.

The lease is checked before each request is sent, the mark of completeness is an object of its own, no name says whose
run wrote it. Keys: "job", "manifest SHARD JOB", "audio SHARD DRIVER", "complete".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .space import Sent, World


@dataclass(frozen=True, slots=True)
class Driver:
    """`pending`: keys of requests that have not landed."""

    role: str
    job: str
    at: str = "idle"
    have: frozenset[str] = frozenset()
    phase: int = 0
    pending: frozenset[str] = frozenset()


class TodaysRules:
    """Drivers as they were before there was a root."""

    def __init__(self, num_shards: int = 2) -> None:
        self.shards = [f"{number}" for number in range(num_shards)]

    def driver(self, role: str) -> Driver:
        return Driver(*role.partition(":")[::2])

    def step(self, world: World, who: int, driver: Driver) -> tuple[str, Driver] | None:
        if driver.at in ("end", "wait"):
            return None
        if driver.at == "idle":
            return self._start(world, who, driver)
        if driver.pending and driver.at != "speak":
            return None
        if world.lease != who and not (driver.at == "delete" and driver.phase):
            return "finds its lease lost; stops", replace(driver, at="end")
        return getattr(self, f"_{driver.at}")(world, who, driver)

    def _start(self, world: World, who: int, driver: Driver) -> tuple[str, Driver]:
        store, world.lease = world.store, who
        manifests = [key for key in store if key.startswith("manifest")]
        job = store.get("job")
        if not manifests and "complete" not in store and driver.role != "over":
            job = None  # of a job that committed nothing
        at, have = "end", frozenset[str]()
        if driver.role == "sweep":
            at = "sweep" if "complete" in store else "end"
        elif driver.role == "over" and job:
            at, world.done, world.acked = "delete", None, frozenset()
        elif job is None:
            at = "begin" if "job" in store or not any(key[0] in "ma" for key in store) else "end"
        elif job == driver.job and "complete" not in store and all(_job(key) == job for key in manifests):
            at, have = "speak", frozenset(key.split()[1] for key in manifests)
        return f"takes the lease, reads the output ({driver.role})", replace(driver, at=at, have=have)

    def _delete(self, world: World, who: int, driver: Driver) -> tuple[str, Driver]:
        what = ("complete", "manifest", "audio", "job")[driver.phase]
        at = "begin" if what == "job" else "delete"
        driver = replace(driver, at=at, phase=driver.phase + 1)
        return f"sends deletes: {what}", self._send_deletes(
            world, who, driver, [key for key in world.store if key.startswith(what)]
        )

    def _begin(self, world: World, who: int, driver: Driver) -> tuple[str, Driver]:
        world.sent.append(Sent(who, "put", "job", driver.job, None, "begin"))
        return "sends job.json", replace(driver, at="wait", pending=frozenset({"job"}))

    def _speak(self, world: World, who: int, driver: Driver) -> tuple[str, Driver] | None:
        for shard in self.shards:
            if shard not in driver.have:
                audio, key = f"audio {shard} {who}", f"manifest {shard} {driver.job}"
                world.store[audio] = driver.job
                world.sent.append(Sent(who, "put", key, audio, None, "commit"))
                after = replace(driver, have=driver.have | {shard}, pending=driver.pending | {key})
                return f"stores audio of {shard}, checks the lease, sends its manifest", after
        if driver.pending:
            return None
        if "job" not in world.store:
            return "finds the output gone; stops", replace(driver, at="end")
        world.sent.append(Sent(who, "put", "complete", driver.job, None, "complete"))
        return "all landed: checks the lease, sends complete.json", replace(driver, at="wait")

    def _sweep(self, world: World, who: int, driver: Driver) -> tuple[str, Driver]:
        named = {value for key, value in world.store.items() if key.startswith("manifest")}
        orphans = [key for key in world.store if key.startswith("audio") and key not in named]
        return "sends deletes of what no manifest names", self._send_deletes(
            world, who, replace(driver, at="end"), orphans
        )

    def _send_deletes(self, world: World, who: int, driver: Driver, keys: list[str]) -> Driver:
        world.sent += [Sent(who, "delete", key) for key in keys]
        return replace(driver, pending=frozenset(keys))

    def land(self, world: World, sent: Sent, driver: Driver | None, is_answered: bool) -> Driver | None:
        is_holder = sent.who is not None and world.lease == sent.who
        if sent.kind == "delete":
            world.store.pop(sent.key, None)
        else:
            world.store[sent.key] = sent.value
            if sent.why == "complete" and is_holder:
                world.done = sent.value
            if sent.why == "commit" and is_holder:
                world.acked = world.acked | {sent.key}
        if driver is None:
            return None
        at = {"begin": "speak", "complete": "end"}.get(sent.why, driver.at) if driver.at == "wait" else driver.at
        return replace(driver, at=at, pending=driver.pending - {sent.key})

    def fault_of(self, driver: Any) -> str | None:
        return None

    def fault(self, world: World) -> str | None:
        store, done = world.store, world.done
        manifests = {key: value for key, value in store.items() if key.startswith("manifest")}
        shards = [key.split()[1] for key in manifests]
        if done:
            if len(shards) > len(set(shards)):
                return "a shard counts twice"
            if "complete" not in store or store.get("job") != done:
                return "what was told complete is not complete any more"
            if set(shards) < set(self.shards):
                return "manifests of a complete output are gone"
            if any(audio not in store for audio in manifests.values()):
                return "audio that a counted manifest names is gone"
        elif "complete" in store and sum(_job(key) == store.get("job") for key in manifests) < len(self.shards):
            return "complete, and a shard is missing"
        elif world.acked - manifests.keys():
            return "a committed shard does not count any more"
        return None

    def initial(self, kind: str) -> tuple[dict[str, Any], Any]:
        """As `ProtocolRules.initial`."""
        store: dict[str, Any] = {} if kind == "empty" else {"job": "J"}
        for shard in self.shards[: {"empty": 0, "open": -1, "complete": None}[kind]]:
            store |= {f"audio {shard} 9": "J", f"manifest {shard} J": f"audio {shard} 9"}
        return store | ({"complete": "J"} if kind == "complete" else {}), "J" if kind == "complete" else None


def _job(manifest: str) -> str:
    return manifest.split()[2]
