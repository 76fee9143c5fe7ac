"""Replicas in threads of the test's process: the real replica, pool, driver, claims and commits of a small run.

A process of its own would cost a second or more, most of it imports, and more with PyTorch. What crosses the border is
pickled, as between processes. These replicas cannot be killed by a signal.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from speechmill.actors.replica.receipt import ReplicaConfig
from speechmill.actors.replica.replica import Replica
from speechmill.cluster.pool.processes.child import IMMEDIATE
from speechmill.cluster.pool.processes.replica_process import CallRaised, ProcessDied
from speechmill.cluster.pool.processes.source import ProcessSource
from speechmill.errors import SpeechmillError

_MAX_CALLS = 32
_END_S = 10.0
"""Seconds for an ended replica to drop what it speaks: what it stored later would fall into the next test."""


class ThreadReplica:
    """A replica with the interface of `ReplicaProcess`."""

    def __init__(self, config: ReplicaConfig) -> None:
        self.pid = os.getpid()
        self._replica = Replica(_sent(config))
        self._calls = ThreadPoolExecutor(_MAX_CALLS, "call")
        self._lock = threading.Lock()
        self._spoken: dict[Future[Any], tuple[str, str]] = {}
        self._is_dead = False

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Method(lambda *arguments: self._call(name, arguments))

    def kill(self) -> None:
        """End the replica: it drops what it speaks."""
        with self._lock:
            self._is_dead = True
            spoken = dict(self._spoken)
        for job, part in spoken.values():
            self._replica.drop(job, part)
        wait(spoken, _END_S)
        self._calls.shutdown(wait=False, cancel_futures=True)

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Future[Any]:
        answer: Future[Any] = Future()
        with self._lock:
            if self._is_dead:
                answer.set_exception(ProcessDied("it was ended"))
            elif method in IMMEDIATE:
                self._answer(answer, method, arguments)
            else:
                at_work = self._calls.submit(self._answer, answer, method, arguments)
                if method == "speak":
                    self._spoken[at_work] = arguments[:2]
        return answer

    def _answer(self, answer: Future[Any], method: str, arguments: tuple[Any, ...]) -> None:
        try:
            made = _sent(getattr(self._replica, method)(*_sent(arguments)))
        except SpeechmillError as error:
            answer.set_exception(_sent(error))
        except BaseException as error:
            answer.set_exception(CallRaised(f"{type(error).__name__}: {error}", ""))
        else:
            answer.set_result(made)


class ThreadSource(ProcessSource):
    """The replicas of a small run."""

    def come(self) -> list[Any]:
        """The replicas that are due."""
        due, self._num_due = self._num_due, 0
        return [ThreadReplica(self._config) for _ in range(due)]


class _Method:
    def __init__(self, call: Callable[..., Future[Any]]) -> None:
        self.remote = call


def _sent(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))
