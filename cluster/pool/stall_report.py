"""Why a run makes no progress, in words: which replica waits for what since when, and which setting to change. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..scheduling.liveness import GIVEN_UP, Timeouts
from .replica_state import ReplicaState, ReplicaStatus

STARTING_TOO_LONG_S = 60.0
MAX_NAMED = 4
"""Replicas named in one sentence; a report of hundreds is too long to be read."""


def report(states: Sequence[ReplicaState], quiet_s: float, wanting: Callable[[], str], limits: Timeouts) -> str:
    """A message to the user; empty if nothing is stalled.

    Args:
        quiet_s: Seconds without progress of any replica, while there is work
        wanting: Returns what the missing replicas need
    """
    starting = [state for state in states if state.status is ReplicaStatus.STARTING]
    speaking = [state for state in states if state.status is ReplicaStatus.SPEAKING]
    is_quiet = quiet_s >= limits.stalled_s
    found = [_silent(states, limits), _still(speaking, limits)]
    if len(starting) == len(states):
        found.append(_none_ready(states, quiet_s, wanting))
    elif is_quiet:
        found.append(_loading([state for state in starting if state.has_answered]))
        if any(not state.has_answered for state in starting):
            found.append(f"{sum(not s.has_answered for s in starting)} replicas wait for their place: {wanting()}")
    if is_quiet and not any(found):
        found.append(_slow(speaking))
    text = ". ".join(sentence for sentence in found if sentence)
    return f"nothing new for {quiet_s:.0f} s. {text}" if is_quiet and text else text


def _none_ready(states: Sequence[ReplicaState], quiet_s: float, wanting: Callable[[], str]) -> str:
    """The sentence for a run without a ready replica."""
    waited_s = max((state.since_s for state in states), default=quiet_s)
    if waited_s < STARTING_TOO_LONG_S:
        return ""
    if any(state.has_answered for state in states):
        return _loading([state for state in states if state.has_answered])
    return f"no replica has started in {waited_s:.0f} s: {wanting()}"


def _silent(states: Sequence[ReplicaState], limits: Timeouts) -> str:
    silent = [state for state in states if state.has_answered and state.silent_s > limits.frozen_s / 3]
    return _named(
        silent,
        lambda state: f"has not answered for {state.silent_s:.0f} s",
        f"is replaced after {limits.frozen_s:.0f} s (ten times that while it loads), and its rows are spoken elsewhere",
    )


def _still(speaking: Sequence[ReplicaState], limits: Timeouts) -> str:
    still = [state for state in speaking if state.still_s > limits.still_s(state.expected_s) and not state.is_spoken]
    return _named(
        still,
        lambda state: (
            f"{_place(state)} has been at {state.shard_id} for {state.since_s:.0f} s and has not got on for "
            f"{state.still_s:.0f} s, where {state.expected_s:.0f} s were expected of all"
        ),
        f"is given up after {GIVEN_UP:g} times as long, if others get on; its shard goes to the next that is free. If "
        "it happens again, look at that machine, or lower model.batch_size",
    )


def _loading(states: Sequence[ReplicaState]) -> str:
    return _named(
        states,
        lambda state: f"has been loading its model for {state.since_s:.0f} s",
        "may be short of CPU or memory; weights of model.path load faster from a disk of its own machine",
    )


def _slow(speaking: Sequence[ReplicaState]) -> str:
    """The sentence for a run that gets no receipts although no replica is late."""
    storing = [state for state in speaking if state.is_spoken]
    if storing:
        return _named(
            storing,
            lambda state: f"has spoken {state.shard_id} and has been storing it for {state.still_s:.0f} s",
            "waits for the store: see that output.uri is near and well, output.s3.max_attempts and output.s3.timeout_s",
        )
    return _named(
        speaking,
        lambda state: (
            f"has been at {state.shard_id} for {state.since_s:.0f} s, where {state.expected_s:.0f} s are expected"
        ),
        "shows more often how far it is with a smaller model.batch_size, and hands in sooner with a smaller "
        "sharding.shard_rows",
    )


def _named(states: Sequence[ReplicaState], what: Callable[[ReplicaState], str], advice: str) -> str:
    """A sentence that names the first of these replicas by their numbers; empty if there are none."""
    if not states:
        return ""
    named = ", ".join(f"replica {state.number} {what(state)}" for state in states[:MAX_NAMED])
    more = f", and {len(states) - MAX_NAMED} more" if len(states) > MAX_NAMED else ""
    return f"{named}{more}; such a replica {advice}"


def _place(state: ReplicaState) -> str:
    return f"on {state.home.host}" if state.home else "somewhere"
