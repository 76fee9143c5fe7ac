"""The sweep: what it reads and deletes, and what stops it."""

from __future__ import annotations

from speechmill.cluster.commit.adoptions import NO_NAMES, Adopted, NameDigest
from speechmill.cluster.commit.operations import DONE, MISSING, Delete, List, Named, Page, ReadNames
from speechmill.cluster.commit.root import Root
from speechmill.cluster.commit.state import State
from speechmill.cluster.commit.sweep import Sweep

from .examples import manifest


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
