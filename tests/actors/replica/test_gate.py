"""Rows that judges reject: the exact records, whatever the batches, the calls, the judges' delays and their faults."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.judges import CALLS, ToneCheck
from support.waiting import HANG_S, eventually

from speechmill.actors.gate.config import GateConfig, GatePlace
from speechmill.actors.judges.base import Hearing, JudgeConfig, Verdict
from speechmill.actors.judges.registry import describe_judge
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.tone import Tone, fault_of
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Segment, Utterance
from speechmill.actors.replica.receipt import JobConfig, Receipt, ReplicaConfig
from speechmill.actors.replica.replica import Replica

from .memory_store import MemoryStore, give

SHARE = 0.3
CHAR_S = 0.01


def rows_of(count: int, seed: int = 0) -> list[Utterance]:
    """Rows of 30 to 59 characters."""
    return [Utterance(n, f"id-{n}", f"Row {n:03d} of " + "tone " * (4 + n % 7), seed=seed + n) for n in range(count)]


def gate_of(*, timeout_s: float = 60.0, options: dict[str, Any] | None = None, **settings: Any) -> GateConfig:
    judge = JudgeConfig("support.judges:ToneCheck", options={"char_s": CHAR_S} | (options or {}))
    place = GatePlace(timeout_s=timeout_s)
    return GateConfig((judge,), (describe_judge(judge),), **({"attempts": 3, "place": place} | settings))


def gated(
    gate: GateConfig | None,
    store: MemoryStore | None = None,
    batch_rows: int | None = None,
    model: type[Tone] | None = None,
    **options: Any,
) -> Replica:
    config = ModelConfig("tone", options={"audio_char_s": CHAR_S, "bad_share": SHARE} | options)
    made = Replica(ReplicaConfig(config, batch_rows=batch_rows))
    made.join("job", JobConfig(config, "wav", gate=gate), store or MemoryStore())
    if model is not None:
        give(made, model(config))
    return made


def records(*receipts: Receipt | None) -> list[Record]:
    found = [r for receipt in receipts if receipt for r in decode_records(receipt.manifest, "receipt")]
    return sorted(found, key=lambda record: record.row)


def outcome(utterance: Utterance, attempts: int = 3) -> tuple[str, int, int]:
    """What a row ends as: its status, its attempt, and how many were rejected before."""
    for attempt in range(attempts):
        if not fault_of(utterance.seed, attempt, SHARE):
            return "ok", attempt, attempt
    return "failed", attempts - 1, attempts


def outcomes(found: Sequence[Record]) -> list[tuple[str, int | None, int]]:
    return [(record.status, record.attempt, len(record.rejected or ())) for record in found]


ROWS = rows_of(200)
WANTED = [outcome(row) for row in ROWS]


@cache
def judged() -> list[Record]:
    """The records of all rows, of one call of one replica."""
    return records(gated(gate_of()).speak("job", "p", ROWS))


def test_the_planted_faults_are_those_that_are_rejected_and_nothing_of_them_is_stored() -> None:
    store = MemoryStore()
    receipt = gated(gate_of(), store).speak("job", "p", ROWS)
    assert receipt is not None
    found = records(receipt)
    assert outcomes(found) == WANTED
    assert {"ok", "failed"} == {status for status, _, _ in WANTED}, "the corpus has rows of both kinds"
    assert {0, 1, 2} == {attempt for status, attempt, _ in WANTED if status == "ok"}
    assert store.parts["p"].clips.keys() == {record.row for record in found if record.status == "ok"}
    assert receipt.audio_ms == sum(record.audio_ms for record in found)
    assert all(record.verdict == ("passed" if record.status == "ok" else "rejected") for record in found)
    told = {reason.split()[0] for record in found for trial in record.rejected or () for reason in trial["reasons"]}
    assert told == {"level", "noise", "length"}
    failed = next(record for record in found if record.status == "failed")
    assert "rejected 3 times: tone-check: " in str(failed.error)


def test_what_the_judges_did_is_in_the_receipt_and_in_the_progress() -> None:
    made = gated(gate_of())
    receipt = made.speak("job", "p", ROWS)
    assert receipt is not None
    stats, found = receipt.gate, records(receipt)
    passed = [sum(status == "ok" and attempt == k for status, attempt, _ in WANTED) for k in range(3)]
    num_failed = sum(status == "failed" for status, _, _ in WANTED)
    assert list(stats.passed) == passed
    assert (stats.num_rejected, stats.num_unheard, stats.num_rows) == (num_failed, 0, len(ROWS))
    assert stats.num_judged == stats.num_attempts == sum(attempt + 1 for _, attempt, _ in WANTED)
    assert sum(stats.rejections.values()) == sum(rejected for _, _, rejected in WANTED)
    assert stats.rejections.keys() == {"tone-check level", "tone-check noise", "tone-check length"}
    spoken_in_vain = sum(trial["duration_s"] for record in found for trial in record.rejected or ())
    assert stats.vain_s == pytest.approx(spoken_in_vain, abs=0.1)
    assert stats.judge_s["tone-check"] > 0
    assert made.progress("job").gate.num_judged == stats.num_judged
    # A row takes 1 + p + p² attempts, if each fails with the probability p.
    expected = 1 + SHARE + SHARE**2
    assert stats.mean_attempts == pytest.approx(expected, abs=3 * (expected / len(ROWS)) ** 0.5)


def test_rows_that_pass_at_once_have_the_audio_of_a_job_without_judges() -> None:
    plain = records(gated(None).speak("job", "p", ROWS))
    with_judges = judged()
    assert all(record.verdict is record.attempt is record.scores is None for record in plain)
    same = [(one, two) for one, two in zip(plain, with_judges, strict=True) if two.attempt == 0 and two.status == "ok"]
    assert len(same) > 100
    assert all(one.pcm_sha256 == two.pcm_sha256 for one, two in same)


@pytest.mark.parametrize("batch_rows", [1, 7, 64])
def test_batch_sizes_and_delays_of_verdicts_change_nothing(batch_rows: int) -> None:
    wanted = records(gated(gate_of()).speak("job", "p", ROWS[:60]))
    late = gate_of(options={"delay_s": 0.004})
    assert records(gated(late, batch_rows=batch_rows).speak("job", "p", ROWS[:60])) == wanted


@pytest.mark.parametrize("num_replicas", [1, 3])
def test_replicas_and_calls_at_once_change_nothing(num_replicas: int) -> None:
    """Calls of one replica speak each other's rejected rows."""
    wanted = judged()
    replicas = [gated(gate_of(options={"delay_s": 0.002}), batch_rows=5) for _ in range(num_replicas)]
    shards = [ROWS[start::8] for start in range(8)]

    def speak(number: int) -> Receipt | None:
        return replicas[number % num_replicas].speak("job", f"p{number}", shards[number])

    with ThreadPoolExecutor(8) as threads:
        receipts = list(threads.map(speak, range(8)))
    stored = [replace(record, member=None, audio=None) if record.status == "failed" else record for record in wanted]
    assert records(*receipts) == stored


@pytest.mark.parametrize("where", ["hand_back", "drop"])
def test_a_row_whose_verdict_is_outstanding_is_not_done(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes back to the driver, is spoken elsewhere, and ends there as it would have ended here."""
    store, heard, is_told, judge = MemoryStore(), list[str](), threading.Event(), ToneCheck.judge

    def judge_some(self: ToneCheck, clips: Sequence[Hearing]) -> list[Verdict]:
        heard.extend(clip.id for clip in clips)
        assert len(heard) <= 40 or is_told.wait(HANG_S)
        return judge(self, clips)

    monkeypatch.setattr(ToneCheck, "judge", judge_some)
    made = gated(gate_of(timeout_s=HANG_S), store, batch_rows=4)
    answers: list[Receipt | None] = []
    thread = threading.Thread(target=lambda: answers.append(made.speak("job", "p", ROWS[:80])))
    thread.start()
    eventually(lambda: made.progress("job").rows >= 10, "ten rows", every_s=0.005)
    getattr(made, where)("job", "p")
    is_told.set()
    thread.join()
    (first,) = answers
    left = ROWS[:80] if first is None else [row for row in ROWS[:80] if row.row in first.left]
    assert len(left) > 20
    assert (first is None) == (where == "drop")
    if first is not None:
        assert store.parts["p"].clips.keys() == {r.row for r in records(first) if r.status == "ok"}
    rest = made.speak("job", "q", left)
    assert outcomes(records(first, rest)) == WANTED[:80]


@pytest.mark.parametrize("what", ["crash", "short"])
def test_a_judge_that_breaks_is_asked_again_and_then_the_clip_is_unheard(what: str) -> None:
    CALLS.clear()
    once = gated(gate_of(options={what: "00", "times": 2})).speak("job", "p", ROWS[:20])
    assert outcomes(records(once)) == WANTED[:20]
    CALLS.clear()
    receipt = gated(gate_of(options={what: "Row 003", "times": 99})).speak("job", "p", ROWS[:20])
    assert receipt is not None
    found = records(receipt)
    assert [r.row for r in found if r.verdict == "unheard"] == [3]
    assert (found[3].status, found[3].unheard_by, found[3].attempt) == ("ok", ["tone-check"], 0)
    assert receipt.gate.num_unheard == 1
    assert receipt.gate.unheard == {"tone-check": 1}
    assert [o for n, o in enumerate(outcomes(found)) if n != 3] == [o for n, o in enumerate(WANTED[:20]) if n != 3]


def test_a_judge_that_hangs_is_replaced() -> None:
    CALLS.clear()
    gate = gate_of(timeout_s=0.5, options={"hang": "Row 005"})
    assert outcomes(records(gated(gate).speak("job", "p", ROWS[:20]))) == WANTED[:20]
    assert CALLS["hang id-5"] == 1


def test_unheard_clips_are_kept_apart_or_fail() -> None:
    gate = gate_of(options={"unheard": "Row 00"})
    kept = gated(gate).speak("job", "p", ROWS[:20])
    assert kept is not None
    assert [r.row for r in records(kept) if r.verdict == "unheard"] == list(range(10))
    assert kept.gate.num_unheard == 10
    failed = records(gated(replace(gate, keeps_unheard=False)).speak("job", "p", ROWS[:20]))
    assert all(r.status == "failed" and "tone-check could not judge" in str(r.error) for r in failed[:10])


def test_kept_clips_are_the_best_attempt_and_marked() -> None:
    store = MemoryStore()
    receipt = gated(gate_of(keeps_rejected=True, attempts=2), store).speak("job", "p", ROWS)
    assert receipt is not None
    found = records(receipt)
    assert receipt.num_failed == 0
    assert store.parts["p"].clips.keys() == {row.row for row in ROWS}
    for row, record in zip(ROWS, found, strict=True):
        status, attempt, _ = outcome(row, 2)
        assert record.verdict == ("passed" if status == "ok" else "rejected")
        # All attempts were rejected by the only judge, so the first one is the best.
        assert record.attempt == (attempt if status == "ok" else 0)
    assert receipt.gate.num_rejected == sum(record.verdict == "rejected" for record in found) > 5
    kept_s = sum(record.duration_s or 0 for record in found if record.verdict == "rejected")
    told_s = sum(trial["duration_s"] for record in found for trial in record.rejected or ())
    assert receipt.gate.vain_s == pytest.approx(told_s - kept_s, abs=0.1)


def test_one_attempt_judges_and_speaks_nothing_again() -> None:
    receipt = gated(gate_of(attempts=1)).speak("job", "p", ROWS)
    assert receipt is not None
    assert receipt.gate.num_judged == len(ROWS)
    failed = [record.row for record in records(receipt) if record.status == "failed"]
    assert failed == [row.row for row in ROWS if fault_of(row.seed, 0, SHARE)]


class Stumbling(Tone):
    """Breaks on second attempts at some rows."""

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        if any(segment.attempt and "Row 02" in segment.text for segment in segments):
            raise ZeroDivisionError("a second attempt")
        return super().speak(segments)


def test_a_row_whose_second_attempt_breaks_fails_alone_with_what_was_rejected() -> None:
    found = records(gated(gate_of(), model=Stumbling).speak("job", "p", ROWS[:40]))
    broken = [row.row for row in ROWS[20:30] if fault_of(row.seed, 0, SHARE)]
    assert broken
    assert [r.row for r in found if "ZeroDivisionError" in str(r.error)] == broken
    assert all(len(found[row].rejected or ()) == 1 for row in broken)
    assert [o for n, o in enumerate(outcomes(found)) if n not in broken] == [
        o for n, o in enumerate(WANTED[:40]) if n not in broken
    ]


def test_the_model_speaks_on_while_verdicts_are_out() -> None:
    """Of two calls, one speaks while the other waits for its judges: batches of both are spoken in turns."""
    order: list[str] = []

    class Watched(Tone):
        def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
            order.append("again" if any(segment.attempt for segment in segments) else "first")
            if order.count("first") == 12:  # of 30: so many judges are not as late as all of the speech
                eventually(lambda: sum(made.progress("job").gate.rejections.values()) >= 5, "verdicts", every_s=0.005)
            return super().speak(segments)

    made = gated(gate_of(options={"delay_s": 0.01}), batch_rows=4, model=Watched)
    with ThreadPoolExecutor(2) as threads:
        receipts = list(threads.map(lambda n: made.speak("job", f"p{n}", ROWS[n * 60 : n * 60 + 60]), range(2)))
    assert outcomes(records(*receipts)) == WANTED[:120]
    assert "first" in order[order.index("again") :], "a retry goes before rows that wait"
