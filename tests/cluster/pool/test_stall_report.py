"""A report for each way of not getting on: who, what, since when, which setting; and none while all is well."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.replica.receipt import ReplicaProgress
from speechmill.actors.replica.replica import ReplicaInfo
from speechmill.cluster.pool.replica_state import ReplicaState, ReplicaStatus
from speechmill.cluster.pool.stall_report import report
from speechmill.cluster.scheduling.liveness import Timeouts

LIMITS = Timeouts()
SPEAKING = ReplicaState(
    3,
    ReplicaInfo("node-7", 1, "cuda"),
    ReplicaStatus.SPEAKING,
    "000001-0004",
    ReplicaProgress(),
    0,
    0.0,
    0.0,
    20.0,
    12.0,
)
STARTING = ReplicaState(
    5, None, ReplicaStatus.STARTING, "", ReplicaProgress(), 0, 0.0, 0.0, since_s=90.0, has_answered=False
)


def said(*states: ReplicaState, quiet_s: float = 0.0) -> str:
    return report(states, quiet_s, lambda: "each needs 1 GPU; change cluster.replicas", LIMITS)


def test_nothing_is_said_while_all_is_well() -> None:
    assert said(SPEAKING) == ""
    assert said(SPEAKING, STARTING) == "", "one that still waits holds nobody up"
    assert said(replace(STARTING, since_s=30.0)) == ""
    assert said() == ""


@pytest.mark.parametrize(
    ("states", "quiet_s", "words"),
    [
        ([STARTING], 0.0, ["no replica has started in 90 s", "cluster.replicas"]),
        ([], 130.0, ["no replica has started in 130 s", "cluster.replicas"]),
        ([replace(STARTING, has_answered=True, since_s=300.0)], 0.0, ["replica 5", "loading", "300 s", "model.path"]),
        ([replace(SPEAKING, silent_s=40.0)], 0.0, ["replica 3 has not answered for 40 s", "after 60 s"]),
        (
            [replace(SPEAKING, still_s=150.0, since_s=160.0)],
            0.0,
            ["replica 3 on node-7", "000001-0004", "160 s", "150 s", "12 s", "model.batch_size"],
        ),
        ([replace(SPEAKING, is_spoken=True, still_s=130.0)], 130.0, ["nothing new for 130 s", "storing", "s3"]),
        ([SPEAKING], 125.0, ["nothing new for 125 s", "20 s", "12 s", "sharding.shard_rows"]),
        ([SPEAKING, STARTING], 125.0, ["1 replicas wait for their place", "cluster.replicas"]),
    ],
)
def test_a_stall_is_told_with_who_what_since_when_and_which_setting(
    states: list[ReplicaState], quiet_s: float, words: list[str]
) -> None:
    text = said(*states, quiet_s=quiet_s)
    assert all(word in text for word in words), text


def test_of_hundreds_only_a_few_are_named() -> None:
    many = [replace(SPEAKING, number=n, silent_s=50.0) for n in range(200)]
    assert "replica 3 " in said(*many)
    assert "replica 4 " not in said(*many)
    assert "and 196 more" in said(*many)


states = st.builds(
    replace,
    st.sampled_from([SPEAKING, STARTING, replace(SPEAKING, status=ReplicaStatus.IDLE, shard_id="")]),
    since_s=st.floats(0, 1e5),
    silent_s=st.floats(0, 1e5),
    still_s=st.floats(0, 1e5),
    has_answered=st.booleans(),
    is_spoken=st.booleans(),
)


@given(
    st.lists(states, max_size=5).filter(
        lambda found: not found or any(s.status is not ReplicaStatus.IDLE for s in found)
    ),
    st.floats(LIMITS.stalled_s, 1e5),
)
def test_a_quiet_run_with_work_never_stays_silent(found: list[ReplicaState], quiet_s: float) -> None:
    # One that has just come is waited for: nobody is there to be reported yet.
    found = [replace(s, since_s=max(s.since_s, 60.0)) for s in found]
    assert said(*found, quiet_s=quiet_s)
