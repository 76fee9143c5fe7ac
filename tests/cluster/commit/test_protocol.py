"""Single machines: what they ask for, in which order, and what is refused. The whole: `test_interleavings`."""

from __future__ import annotations

import ast
import pickle
import sys
from pathlib import Path

import pytest

from speechmill.actors.records.keys import ROOT_KEY
from speechmill.cluster.commit import protocol
from speechmill.cluster.commit.operations import (
    DONE,
    MISSING,
    REFUSED,
    AwaitAudio,
    Delete,
    Found,
    Get,
    List,
    Named,
    Page,
    Put,
    PutIf,
    ReadNames,
    RootFile,
    Written,
)
from speechmill.cluster.commit.protocol import ClaimedRun, Commit, Machine, Resume, State, Sweep, WriteRoot
from speechmill.cluster.commit.root import NO_NAMES, Adopted, NameDigest, Root

OPEN = Found(RootFile(Root(4, "5f3a", "n4"), "J"), "tag 4")


def manifest(shard: int, run: int, number: int) -> str:
    return f"manifest/000000/{shard:04d}.r5f3a-{run}.n{number}.ok1.failed0.ms1.aa.jsonl"


@pytest.mark.parametrize("module", ["names", "root", "operations", "protocol"])
def test_the_protocol_imports_the_standard_library_alone(module: str) -> None:
    """And errors, keys, and what manifests are called: it can be read, and explored, without anything else."""
    tree = ast.parse((Path(protocol.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(alias.name in sys.stdlib_module_names for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert str(node.module).split(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert node.module in {
                "names",
                "root",
                "operations",
                "errors",
                "actors.records.part_name",
                "actors.records.keys",
            }


def test_machines_are_values() -> None:
    """They can be kept, compared and sent; a request stands until it is answered."""
    machines: list[Machine] = [
        protocol.begin(None, "J", tag="5f3a", nonce="n"),
        protocol.resume(OPEN, "J", nonce="n"),
        Commit(("audio/a",), (("k", b"v"),)),
        Sweep.of(OPEN.file.root, ("audio/",)),
        protocol.Read(OPEN),
    ]
    for machine in machines:
        assert machine.request == machine.request
        assert pickle.loads(pickle.dumps(machine)) == machine
        assert len({machine, pickle.loads(pickle.dumps(machine))}) == 1


def test_a_begin_takes_the_next_run_and_keeps_the_tag() -> None:
    """So that no two claims ever have the same run, and late requests of an output removed by hand do not fit."""
    new = protocol.begin(None, "J", tag="0001", nonce="n")
    assert new.request == PutIf(ROOT_KEY, RootFile(Root(1, "0001", "n"), "J"), None)
    over = protocol.begin(OPEN, "K", tag="0001", nonce="n")
    assert over.request == PutIf(ROOT_KEY, RootFile(Root(5, "5f3a", "n"), "K"), "tag 4")


def test_a_resume_adopts_what_it_was_shown() -> None:
    """Page after page; what is not of the root's runs, or of another tag, or damaged, is not adopted."""
    keys = [manifest(0, 4, 1), manifest(1, 3, 0), manifest(2, 4, 3), "manifest/notes"]
    machine = protocol.resume(OPEN, "J", nonce="n")
    assert machine.request == List("manifest/", None)
    after = machine.step(Page(tuple(keys[:2]), is_last=False))
    assert after.request == List("manifest/", keys[1])
    claim = after.step(Page(tuple(keys[2:]), is_last=True))
    assert isinstance(claim, WriteRoot)
    assert claim.file.root == Root(5, "5f3a", "n", ((4, Adopted(3, (0, 2))),))
    assert claim.names == NO_NAMES.plus([keys[2], keys[0]])


def test_a_refused_claim_is_ours_if_the_nonce_is() -> None:
    """Else the other one's root is told."""
    claim = protocol.begin(OPEN, "K", tag="0001", nonce="n")
    assert claim.step(Written("t")) == protocol.replace(claim, state=State.DONE, tag="t")
    refused = claim.step(REFUSED)
    assert refused.request == Get(ROOT_KEY)
    ours = refused.step(Found(claim.file, "tag 5"))
    assert (ours.state, ours.tag) == (State.DONE, "tag 5")
    other = Found(RootFile(Root(5, "5f3a", "other"), "J"), "tag 5")
    assert refused.step(other) == protocol.replace(refused, state=State.LOST, found=other)
    assert refused.step(MISSING).state is State.LOST
    with pytest.raises(AssertionError, match="LOST"):
        ClaimedRun.of(refused.step(other))


def test_a_commit_is_written_in_its_order() -> None:
    """Audio, text, manifest, each after the one before."""
    commit = Commit(("audio/a", "audio/b"), (("text/t", b"t"), ("manifest/m", b"m")))
    assert commit.request == AwaitAudio(("audio/a", "audio/b"))
    commit = commit.step(DONE)
    assert commit.request == Put("text/t", b"t")
    commit = commit.step(Written())
    assert commit.request == Put("manifest/m", b"m")
    assert commit.step(Written()).request is None


def test_complete_waits_for_all_commits_and_adopts_its_own() -> None:
    """In whatever order they landed; a number that was given and never landed is skipped."""
    run = ClaimedRun.of(protocol.begin(None, "J", tag="5f3a", nonce="n").step(Written("tag 1")))
    run, first = run.begin_commit()
    run, second = run.begin_commit()
    assert (str(first), str(second), str(run.stamp)) == ("r5f3a-1.n0", "r5f3a-1.n1", "r5f3a-1")
    keys = [manifest(0, 1, 0), manifest(1, 1, 1)]
    run = run.commit_landed(keys[1])
    with pytest.raises(AssertionError, match="1 commits have not landed"):
        run.complete("J", nonce="m")
    write = run.commit_landed(keys[0]).complete("J", nonce="m")
    root = Root(1, "5f3a", "m", ((1, Adopted(1)),), True, NO_NAMES.plus(keys))
    assert write.request == PutIf(ROOT_KEY, RootFile(root, "J"), "tag 1")


def test_a_sweep_deletes_page_by_page_what_nothing_names() -> None:
    """It reads the manifests of those shards alone that have something to be deleted."""
    named, orphan, current = (
        f"audio/000000-0000-r5f3a-{run}-{name}.tar" for run, name in ((3, "aa"), (3, "bb"), (4, "cc"))
    )
    kept = [manifest(0, 3, 0), manifest(1, 3, 1)]
    sweep = Sweep.of(Root(4, "5f3a", "n", ((3, Adopted(1)),)), ("audio/",))
    sweep = sweep.step(Page(tuple(kept), is_last=True))
    assert sweep.request == List("audio/", None)
    sweep = sweep.step(Page((named, orphan, current), is_last=False))
    assert sweep.request == ReadNames(kept[0])
    assert sweep.step(MISSING).state is State.STOPPED
    sweep = sweep.step(Named(frozenset({named})))
    assert sweep.request == Delete((orphan,))
    sweep = sweep.step(DONE)
    assert sweep.request == List("audio/", current)
    assert sweep.step(Page((), is_last=True)).state is State.DONE


def test_a_sweep_deletes_nothing_while_a_name_is_not_listed() -> None:
    """By number, and by the digest of the names."""
    sweep = Sweep.of(Root(4, "5f3a", "n", ((3, Adopted(1)),)), ("audio/",))
    assert sweep.step(Page((manifest(0, 3, 0),), is_last=True)).state is State.STOPPED
    names = NameDigest(1, NO_NAMES.plus([manifest(0, 4, 0)]).total)
    sweep = Sweep.of(Root(4, "5f3a", "n", ((4, Adopted(0)),), True, names), ("audio/",))
    assert sweep.step(Page((manifest(1, 4, 0),), is_last=True)).state is State.STOPPED
    assert sweep.step(Page((manifest(0, 4, 0),), is_last=True)).state is State.DELETE


def test_resume_and_repair_are_not_mixed_up() -> None:
    """An open output is resumed, a complete one repaired."""
    complete = Found(RootFile(Root(4, "5f3a", "n", (), True, NO_NAMES), "J"), "t")
    with pytest.raises(AssertionError, match="repaired"):
        protocol.resume(complete, "J", nonce="m")
    with pytest.raises(AssertionError, match="resumed"):
        protocol.repair(OPEN, "J", (), nonce="m")
    assert isinstance(protocol.repair(complete, "J", (), nonce="m"), Resume)
