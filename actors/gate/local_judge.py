"""A judge in a thread of this process: asked again after an error, replaced when it hangs, `unheard` at last.

Guaranteed: `ask` returns a verdict for each clip within `TRIES` times the limit, whatever the judge does. Clips that
wait are judged together, as many as the judge takes; after a failure each is judged alone, so that one clip makes no
other unheard. A judge that hangs keeps its thread, which cannot be ended; a new one is loaded in its place.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ...errors import RowError
from ..judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict
from ..judges.registry import load_judge

TRIES = 3
"""How often a judge is asked about a clip before the clip is unheard."""

UNHEARD = Verdict(is_unheard=True)


@dataclass(slots=True, eq=False)
class _Question:
    clip: Hearing
    is_answered: threading.Event = field(default_factory=threading.Event)
    verdict: Verdict = UNHEARD
    num_failures: int = 0


class LocalJudge:
    """One judge, for any number of threads that ask.

    Args:
        limit_s: Seconds after which a call of the judge counts as hanging
        load: Makes the judge
    """

    def __init__(
        self,
        config: JudgeConfig,
        info: JudgeInfo,
        limit_s: float,
        load: Callable[[JudgeConfig], Judge] = load_judge,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._load, self._clock = config, load, clock
        self._limit_s = limit_s
        self._most = info.max_batch if info.is_batch_invariant else 1
        self._changed = threading.Condition()
        self._waiting: deque[_Question] = deque()
        self._asked: list[_Question] = []
        self._since_s = clock()
        self._generation = 0
        self._is_closed = False
        self._begin(load(config))

    def ask(self, clip: Hearing) -> Verdict:
        """The judge's verdict; `unheard` after `TRIES` failures."""
        question = _Question(clip)
        with self._changed:
            self._waiting.append(question)
            self._changed.notify_all()
        while not question.is_answered.wait(self._limit_s / 4):
            self._replace_if_stuck()
        return question.verdict

    def close(self) -> None:
        """End the thread when its call has ended."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _begin(self, judge: Judge | None) -> None:
        # A daemon: a judge that hangs must not keep the process from ending.
        threading.Thread(target=self._work, args=(self._generation, judge), name="judge", daemon=True).start()

    def _work(self, generation: int, judge: Judge | None) -> None:
        while asked := self._next(generation):
            verdicts: list[Verdict] | None
            try:
                judge = judge or self._load(self._config)
                verdicts = list(judge.judge([question.clip for question in asked]))
                if len(verdicts) != len(asked):
                    raise ValueError(f"{len(verdicts)} verdicts for {len(asked)} clips")
            except RowError:
                # The judge says that it cannot judge; of several clips, not which one.
                verdicts = [UNHEARD] if len(asked) == 1 else None
            except Exception:
                verdicts = judge = None  # whatever state it is in now: the next call is a new judge's
            with self._changed:
                if generation != self._generation:
                    return
                self._asked = []
                if verdicts is None:
                    self._ask_again(asked)
                else:
                    for question, verdict in zip(asked, verdicts, strict=True):
                        question.verdict = verdict
                        question.is_answered.set()

    def _next(self, generation: int) -> list[_Question]:
        """The clips of the next call: those that wait, or one that was in a call that failed. None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed or generation != self._generation)
            if generation != self._generation or not self._waiting:
                return []
            asked = [self._waiting.popleft()]
            while self._waiting and len(asked) < self._most and not asked[0].num_failures:
                if self._waiting[0].num_failures:
                    break
                asked.append(self._waiting.popleft())
            self._asked, self._since_s = asked, self._clock()
            return asked

    def _ask_again(self, asked: list[_Question]) -> None:
        for question in reversed(asked):
            question.num_failures += 1
            if question.num_failures >= TRIES:
                question.is_answered.set()
            else:
                self._waiting.appendleft(question)

    def _replace_if_stuck(self) -> None:
        with self._changed:
            if not self._asked or self._clock() - self._since_s < self._limit_s:
                return
            asked, self._asked = self._asked, []
            self._generation += 1
            self._ask_again(asked)
            self._begin(None)
            self._changed.notify_all()
