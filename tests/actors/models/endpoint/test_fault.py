"""What statuses and messages of servers mean."""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest

from speechmill.actors.models.endpoint.fault import Blame, fault_of

NOW_S = 1_000_000_000.0


@pytest.mark.parametrize(
    ("status", "blame"),
    [
        (200, Blame.ATTEMPT),
        (204, Blame.ATTEMPT),
        (301, Blame.JOB),
        (400, Blame.ROW),
        (401, Blame.JOB),
        (402, Blame.ACCOUNT),
        (403, Blame.JOB),
        (404, Blame.JOB),
        (408, Blame.ATTEMPT),
        (409, Blame.BUSY),
        (413, Blame.ROW),
        (418, Blame.ROW),
        (422, Blame.ROW),
        (429, Blame.BUSY),
        (500, Blame.ATTEMPT),
        (502, Blame.ATTEMPT),
        (503, Blame.BUSY),
        (504, Blame.ATTEMPT),
        (529, Blame.BUSY),
        (599, Blame.ATTEMPT),
    ],
)
def test_a_status_has_a_meaning(status: int, blame: Blame) -> None:
    fault = fault_of(status, b"why", None, NOW_S)
    assert (fault.blame, fault.reason.partition(";")[0]) == (blame, f"{status}: why")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (json.dumps({"error": {"message": "a", "code": "b"}}).encode(), "a"),
        (json.dumps({"error": "a"}).encode(), "a"),
        (json.dumps({"detail": "a"}).encode(), "a"),
        (json.dumps({"detail": [{"msg": "x"}]}).encode(), '[{"msg": "x"}]'),
        (json.dumps({"message": "a"}).encode(), "a"),
        (b"<h1>\x00 odd</h1>\n", "<h1> odd</h1>"),
        (b'{"error": {"message": "half \\ud800"}}', "half ?"),
        (b"\xff\xfe", "��"),
        (b"[" * 100_000, "[" * 300 + "…"),
    ],
)
def test_a_message_is_found_in_every_form_and_can_be_printed(body: bytes, message: str) -> None:
    assert fault_of(400, body, None, NOW_S).reason == f"400: {message}"


def test_an_account_without_money_is_no_busy_server() -> None:
    body = json.dumps({"error": {"message": "a", "code": "insufficient_quota"}}).encode()
    assert fault_of(429, body, "1", NOW_S).blame is Blame.ACCOUNT


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("", None),
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        (formatdate(NOW_S + 7, usegmt=True), 7.0),
        (formatdate(NOW_S - 7, usegmt=True), 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, wait_s: float | None) -> None:
    assert fault_of(429, b"", header, NOW_S).wait_s == wait_s
