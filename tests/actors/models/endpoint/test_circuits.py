"""Laws of circuits, in virtual time: limits are kept, rests are rested, and a server that works again is found."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.endpoint.circuits import MAX_REST_S, Circuits


def taken(circuits: Circuits, now_s: float, count: int) -> list[int]:
    """The servers that so many requests go to at once."""
    servers = (circuits.begin(now_s) for _ in range(count))
    return [server for server in servers if server is not None]


@given(seed=st.integers(0, 1_000), servers=st.integers(1, 4), places=st.integers(1, 9))
def test_limits_and_rests_are_kept_whatever_the_answers(seed: int, servers: int, places: int) -> None:
    chance = random.Random(seed)
    circuits = Circuits(servers, places, 0.5)
    under_way: list[tuple[int, float]] = []
    rests_until_s = dict.fromkeys(range(servers), 0.0)
    now_s = 0.0
    for _ in range(60):
        now_s += chance.uniform(0, 2)
        begun = circuits.begin(now_s)
        if begun is not None:
            assert now_s >= rests_until_s[begun]
            under_way.append((begun, now_s))
        assert all(sum(server == at for server, _ in under_way) <= places for at in range(servers))
        assert all(1 <= limit <= places for limit in circuits.limits)
        if not under_way or chance.random() < 0.4:
            continue
        server, began_s = under_way.pop(chance.randrange(len(under_way)))
        wait_s = chance.choice([None, 5.0])
        match chance.randrange(4):
            case 0:
                circuits.good(server, now_s)
                continue
            case 1:
                circuits.end(server)
                continue
            case 2:
                circuits.failed(server, now_s, wait_s)
            case _:
                circuits.busy(server, began_s, now_s, wait_s)
        rests_until_s[server] = max(rests_until_s[server], now_s + (wait_s or 0))


def test_requests_are_spread_over_servers() -> None:
    circuits = Circuits(3, 4, 0.5)
    assert sorted(taken(circuits, 0, 12)) == [0] * 4 + [1] * 4 + [2] * 4
    assert circuits.begin(0) is None
    circuits.good(1, 1)
    assert circuits.begin(1, avoid=1) == 1, "the only one with a place"


def test_a_server_where_texts_fail_is_asked_for_a_probe_and_after_a_failed_one_for_a_text() -> None:
    circuits, now_s = Circuits(1, 4, 0.5), 0.0
    for expected in (False, False, True):
        taken(circuits, now_s, 1)
        circuits.failed(0, now_s)
        assert circuits.is_doubted(0) == expected
    now_s += MAX_REST_S
    assert taken(circuits, now_s, 2) == [0], "the probe, and nothing beside it"
    circuits.failed(0, now_s, is_probe=True)
    assert not circuits.is_doubted(0)
    now_s += MAX_REST_S
    taken(circuits, now_s, 1)
    circuits.failed(0, now_s)
    assert circuits.is_doubted(0)
    now_s += MAX_REST_S
    taken(circuits, now_s, 1)
    circuits.good(0, now_s)
    assert not circuits.is_doubted(0)
    assert taken(circuits, now_s, 9) == [0] * 4, "it is as before"


def test_a_failed_request_goes_to_another_server() -> None:
    circuits = Circuits(2, 4, 0.5)
    first = circuits.begin(0)
    assert first is not None
    circuits.failed(first, 1)
    assert circuits.begin(1, avoid=first) == 1 - first


def test_a_busy_server_rests_and_gets_fewer_requests_and_more_again() -> None:
    circuits = Circuits(1, 10, 0.5)
    assert len(taken(circuits, 0, 20)) == 10
    for _ in range(10):
        circuits.busy(0, began_s=0, now_s=1, wait_s=4)
    assert circuits.limits == [7], "ten answers to one burst count once"
    assert circuits.begin(4.9) is None
    assert 0 < circuits.wait_s(2) == 3
    assert len(taken(circuits, 5, 20)) == 1, "after failures in a row one request tries it"
    circuits.good(0, 5)
    assert len(taken(circuits, 5, 20)) == 7
    for _ in range(60):
        circuits.good(0, 6)
        circuits.begin(6)
    assert circuits.limits == [10]


def test_failures_in_a_row_open_a_circuit_for_growing_rests_up_to_half_a_minute() -> None:
    circuits = Circuits(1, 4, 0.5)
    now_s, rests = 0.0, []
    for _ in range(14):
        assert circuits.begin(now_s) == 0
        circuits.failed(0, now_s)
        rests.append(circuits.wait_s(now_s))
        now_s += rests[-1]
    assert rests[:6] == [0, 0, 0.5, 1, 2, 4]
    assert rests[-1] == MAX_REST_S
    assert circuits.silent_s(now_s) == now_s
    circuits.begin(now_s)
    circuits.good(0, now_s)
    assert circuits.silent_s(now_s + 100) == 0
    assert circuits.has_answered(0) and circuits.has_answered_since(now_s - 1)
    assert not circuits.has_answered_since(now_s)
