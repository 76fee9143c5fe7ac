"""A judge in a thread: batches, failures, and a hanging one, by events in place of seconds."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from speechmill.actors.gate.local_judge import TRIES, LocalJudge
from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict
from speechmill.errors import RowRejected

INFO = JudgeInfo("scripted", "1", max_batch=8)


class Scripted(Judge):
    """Does what the texts say: fails while `failures` has some for them, hangs until `free`.

    now_s   the clock of its calls, which goes on only while it hangs
    """

    now_s = 0.0

    def __init__(self, failures: dict[str, int], free: threading.Event, calls: list[list[str]]) -> None:
        self.failures, self.free, self.calls = failures, free, calls

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        return INFO

    def judge(self, clips: Sequence[Hearing]) -> list[Verdict]:
        self.calls.append([clip.id for clip in clips])
        for clip in clips:
            if clip.id == "cannot":
                raise RowRejected("no words")
            if self.failures.get(clip.id, 0) > 0:
                self.failures[clip.id] -= 1
                if clip.id.startswith("hang"):
                    self.now_s += 1.0
                    self.free.wait()
                raise ZeroDivisionError
        return [Verdict((clip.id,)) for clip in clips]


def clip(id: str) -> Hearing:
    return Hearing(id, "", "", "en", 1.0, np.zeros(1, np.float32), 1)


def scripted(limit_s: float = 60.0, info: JudgeInfo = INFO, **failures: int) -> tuple[LocalJudge, Scripted, list[int]]:
    judge, loads = Scripted(failures, threading.Event(), []), [0]

    def load(_: JudgeConfig) -> Judge:
        loads[0] += 1
        return judge

    return LocalJudge(JudgeConfig("x"), info, limit_s, load, lambda: judge.now_s), judge, loads


def ask_all(local: LocalJudge, ids: Sequence[str]) -> list[Verdict]:
    with ThreadPoolExecutor(len(ids)) as threads:
        return list(threads.map(lambda row: local.ask(clip(row)), ids))


def test_each_clip_gets_its_own_verdict_in_any_batch() -> None:
    local, judge, _ = scripted()
    ids = [f"clip-{n}" for n in range(40)]
    assert [verdict.reasons for verdict in ask_all(local, ids)] == [(row,) for row in ids]
    assert max(map(len, judge.calls)) <= INFO.max_batch
    local.close()


def test_a_judge_that_is_not_batch_invariant_gets_one_clip() -> None:
    local, judge, _ = scripted(info=JudgeInfo("x", "1", is_batch_invariant=False))
    ask_all(local, [f"clip-{n}" for n in range(20)])
    assert {len(call) for call in judge.calls} == {1}


def test_a_judge_that_raises_is_loaded_anew_and_asked_again() -> None:
    local, _, loads = scripted(bad=TRIES - 1)
    assert local.ask(clip("bad")).reasons == ("bad",)
    assert loads[0] == TRIES


def test_a_clip_that_breaks_the_judge_is_unheard_and_its_batch_mates_are_not() -> None:
    local, _, _ = scripted(bad=99)
    verdicts = ask_all(local, ["bad", *(f"clip-{n}" for n in range(7))])
    assert [verdict.name for verdict in verdicts] == ["unheard", *["rejected"] * 7]
    assert [v.name for v in ask_all(local, ["cannot", "clip-8"])] == ["unheard", "rejected"]


def test_a_judge_that_hangs_is_replaced_and_then_the_clip_is_unheard() -> None:
    local, judge, loads = scripted(0.05, hang=99)
    assert local.ask(clip("hang")).name == "unheard"
    assert judge.calls.count(["hang"]) == TRIES
    assert local.ask(clip("clip")).reasons == ("clip",)
    assert loads[0] >= TRIES
    judge.free.set()
