"""Claims: the root that each asks for, what it adopts, and what is refused."""

from __future__ import annotations

import pytest

from speechmill.actors.records.keys import ROOT_KEY
from speechmill.cluster.commit.adoptions import NO_NAMES, Adopted
from speechmill.cluster.commit.claims import Resume, begin, repair, resume
from speechmill.cluster.commit.operations import Found, List, Page, PutIf, RootFile
from speechmill.cluster.commit.root import Root
from speechmill.cluster.commit.write_root import WriteRoot

from .examples import OPEN, manifest


def test_a_begin_takes_the_next_run_and_keeps_the_tag() -> None:
    """So that no two claims ever have the same run, and late requests of an output removed by hand do not fit."""
    new = begin(None, "J", tag="0001", nonce="n")
    assert new.request == PutIf(ROOT_KEY, RootFile(Root(1, "0001", "n"), "J"), None)
    over = begin(OPEN, "K", tag="0001", nonce="n")
    assert over.request == PutIf(ROOT_KEY, RootFile(Root(5, "5f3a", "n"), "K"), "tag 4")


def test_a_resume_adopts_what_it_was_shown() -> None:
    """Page after page; what is not of the root's runs, or of another tag, or damaged, is not adopted."""
    keys = [manifest(0, 4, 1), manifest(1, 3, 0), manifest(2, 4, 3), "manifest/notes"]
    machine = resume(OPEN, "J", nonce="n")
    assert machine.request == List("manifest/", None)
    after = machine.step(Page(tuple(keys[:2]), is_last=False))
    assert after.request == List("manifest/", keys[1])
    claim = after.step(Page(tuple(keys[2:]), is_last=True))
    assert isinstance(claim, WriteRoot)
    assert claim.file.root == Root(5, "5f3a", "n", ((4, Adopted(3, (0, 2))),))
    assert claim.names == NO_NAMES.plus([keys[2], keys[0]])


def test_resume_and_repair_are_not_mixed_up() -> None:
    """An open output is resumed, a complete one repaired."""
    complete = Found(RootFile(Root(4, "5f3a", "n", (), True, NO_NAMES), "J"), "t")
    with pytest.raises(AssertionError, match="repaired"):
        resume(complete, "J", nonce="m")
    with pytest.raises(AssertionError, match="resumed"):
        repair(OPEN, "J", (), nonce="m")
    assert isinstance(repair(complete, "J", (), nonce="m"), Resume)
