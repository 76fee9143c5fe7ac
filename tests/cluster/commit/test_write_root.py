"""One write of the root: whose it was where the answer is a refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speechmill.actors.records.keys import ROOT_KEY
from speechmill.cluster.commit.claimed_run import ClaimedRun
from speechmill.cluster.commit.claims import begin
from speechmill.cluster.commit.operations import MISSING, REFUSED, Found, Get, RootFile, Written
from speechmill.cluster.commit.root import Root
from speechmill.cluster.commit.state import State

from .examples import OPEN


def test_a_refused_claim_is_ours_if_the_nonce_is() -> None:
    """Else the other one's root is told."""
    claim = begin(OPEN, "K", tag="0001", nonce="n")
    assert claim.step(Written("t")) == replace(claim, state=State.DONE, tag="t")
    refused = claim.step(REFUSED)
    assert refused.request == Get(ROOT_KEY)
    ours = refused.step(Found(claim.file, "tag 5"))
    assert (ours.state, ours.tag) == (State.DONE, "tag 5")
    other = Found(RootFile(Root(5, "5f3a", "other"), "J"), "tag 5")
    assert refused.step(other) == replace(refused, state=State.LOST, found=other)
    assert refused.step(MISSING).state is State.LOST
    with pytest.raises(AssertionError, match="LOST"):
        ClaimedRun.of(refused.step(other))
