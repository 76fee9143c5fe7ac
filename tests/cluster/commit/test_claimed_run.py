"""A claimed run: its commits are written in their order, and it is completed after them."""

from __future__ import annotations

import pytest

from speechmill.actors.records.keys import ROOT_KEY
from speechmill.cluster.commit.adoptions import NO_NAMES, Adopted
from speechmill.cluster.commit.claimed_run import ClaimedRun, Commit
from speechmill.cluster.commit.claims import begin
from speechmill.cluster.commit.operations import DONE, AwaitAudio, Put, PutIf, RootFile, Written
from speechmill.cluster.commit.root import Root

from .examples import manifest


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
    run = ClaimedRun.of(begin(None, "J", tag="5f3a", nonce="n").step(Written("tag 1")))
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
