"""JSON from a store is what its model says, or an error that names the object, the key and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from speechmill.errors import JobError
from speechmill.jobs.output.stored import Amount, Count, Stored, checked, parsed


class Inner(Stored):
    file: Count


class Outer(Stored):
    name: str
    num: Count
    seconds: Amount = 0.0
    inner: Inner = Inner(file=0)


GOOD: dict[str, Any] = {"name": "x", "num": 3, "seconds": 2, "inner": {"file": 1}}


def test_what_is_right_is_given_as_it_stands() -> None:
    found = checked(Outer, GOOD, "out/x.json", "restore it")
    assert (found.name, found.num, found.inner.file) == ("x", 3, 1)
    assert [repr(checked(Outer, GOOD | {"seconds": s}, "", "").seconds) for s in (2, 2.0)] == ["2", "2.0"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"num": True}, "num: "),
        ({"num": "3"}, "num: "),
        ({"num": 3.0}, "num: "),
        ({"num": -1}, "num: "),
        ({"num": 1 << 63}, "num: "),
        ({"seconds": float("nan")}, "seconds: "),
        ({"seconds": float("inf")}, "seconds: "),
        ({"seconds": 10**400}, "seconds: "),
        ({"seconds": "1"}, "seconds: "),
        ({"name": None}, "name: "),
        ({"name": "\x1b[31m", "num": "\x1b[31m"}, "num: "),
        ({"inner": []}, "inner: "),
        ({"inner": {}}, "inner.file is missing"),
        ({"inner": {"file": 1, "more": 2}}, "inner.more: "),
        ({"more": 1}, "more: "),
    ],
)
def test_what_is_wrong_is_named_with_its_key_and_what_to_do(change: dict[str, Any], told: str) -> None:
    with pytest.raises(JobError) as caught:
        checked(Outer, GOOD | change, "out/x.json is no x", "restore it")
    message = str(caught.value)
    assert message.startswith(f"out/x.json is no x: {told}")
    assert message.endswith("; restore it")
    assert message.isprintable()


@pytest.mark.parametrize("value", [None, 3, "text", [GOOD]])
def test_another_kind_of_value_is_told(value: object) -> None:
    with pytest.raises(JobError, match=r"^out/x\.json: .*; restore it$"):
        checked(Outer, value, "out/x.json", "restore it")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[1]", b"null", b"[" * 100_000, b'{"n": ' + b"9" * 10_000 + b"}"]
)
def test_content_that_is_no_object_is_told(data: bytes) -> None:
    with pytest.raises(JobError, match=r"^out/x\.json is "):
        parsed(data, "out/x.json")
