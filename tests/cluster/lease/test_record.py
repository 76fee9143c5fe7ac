"""`driver.json` says what was written into it, or is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.cluster.lease.process import Process
from speechmill.cluster.lease.record import MAX_LEASE_S, LeaseRecord

HOLDER = LeaseRecord("f00d", Process("host", 7, "boot", 9), "1.2", 0.0, 86_400.0, 60.0, 3, 12.5)

seconds = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers(1, (1 << 31) - 1)
texts = st.text(max_size=5)
processes = st.builds(Process, texts, numbers, texts, st.integers(0))
leases = st.floats(0, MAX_LEASE_S, exclude_min=True)
holders = st.builds(
    LeaseRecord, texts, processes, texts, seconds, seconds, leases, st.integers(), seconds, st.booleans()
)


@given(holders)
def test_what_is_written_is_read(holder: LeaseRecord) -> None:
    """Law: and every one has a line for people, whatever its clock says."""
    assert LeaseRecord.parse(holder.encode()) == holder
    assert str(holder.process.pid) in str(holder)


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"[]", b"3", b'"x"', b"{}", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_holder_is_refused(raw: bytes) -> None:
    """With the one error that a reader expects."""
    with pytest.raises(ValueError, match=r"."):
        LeaseRecord.parse(raw)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", 3),
        ("host", None),
        ("pid", 0),
        ("pid", -1),
        ("pid", 1 << 31),
        ("pid", 1.0),
        ("pid", True),
        ("started", "9"),
        ("state", "gone"),
        ("state", []),
        ("lease_s", 0),
        ("lease_s", -60),
        ("lease_s", MAX_LEASE_S + 1),
        ("lease_s", float("nan")),
        ("lease_s", float("inf")),
        ("lease_s", 10**400),
        ("beat_s", True),
        ("beat", 1.5),
    ],
)
def test_a_wrong_value_is_refused(key: str, value: Any) -> None:
    """A lease of ten years would lock an output for that long; process 0 is no process."""
    body = json.loads(HOLDER.encode())
    assert key in body
    with pytest.raises(ValueError, match=r"."):
        LeaseRecord.parse(json.dumps(body | {key: value}).encode())


def test_people_read_times_of_day() -> None:
    """In the file, and in the line."""
    body = json.loads(HOLDER.encode())
    assert (body["since"], body["renewed"]) == ("1970-01-01 00:00:00 UTC", "1970-01-02 00:00:00 UTC")
    assert body["expires"] == "1970-01-02 00:01:00 UTC"
    assert str(HOLDER).startswith("process 7 on host, since 1970-01-01 00:00:00 UTC")
