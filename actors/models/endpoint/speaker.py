"""One segment spoken by servers: requests are sent again where that helps, for a bounded number of times and seconds.

Guaranteed: a segment ends as audio, or as a RowError with the server's reason. A row fails for failed requests only
while a server answers others: if none answers anything, the run stops, and the row is spoken when it goes on. Called
from several threads at once. Not known here: HTTP, rows of a job, how a circuit decides.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ....errors import EndpointAway, ModelError, RowRejected
from .audio_request import Body, IsOver, opened_audio, whole_audio
from .circuits import MAX_REST_S, Circuits
from .client import SpeechClient
from .fault import Blame, Fault, RequestFailed
from .options import EndpointOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOOK_S = 0.25
"""How often a thread that waits looks whether it is still wanted."""

_MOST_REFUSED = 8
"""Texts that servers may refuse before any was spoken; then a plain sentence shows whether it is the texts."""

Answered = TypeVar("Answered")


class Abandoned(Exception):
    """The audio is wanted no more."""


class EndpointSpeaker:
    """The servers of one replica.

    Args:
        key: Their key; "" for none
        places: Requests at once
        probe: A request that any server of this kind can speak
    """

    def __init__(self, options: EndpointOptions, key: str, places: int, probe: Body) -> None:
        self._options, self._probe = options, probe
        self._clients: Sequence[SpeechClient] = [SpeechClient(url, options, key, places) for url in options.urls]
        self._circuits = Circuits(len(self._clients), places, options.retry_s)
        self._changed = threading.Condition()
        self._last_fault = ""
        self._has_spoken, self._num_refused = False, 0

    def speak(self, body: Body, seed: int, is_over: IsOver) -> NDArray[np.float32]:
        """The audio of a request: float32 [num_samples] in -1 … 1 at the options' rate.

        Args:
            seed: Of the pauses between requests
            is_over: Whether the audio is wanted no more; looked at while there is time

        Raises:
            RowRejected: The text cannot be spoken
            ModelError: Nothing can be spoken: a key, an address, the model's name or the audio's rate is wrong
            EndpointAway: No server answers
            Abandoned: `is_over` became true
        """
        return self._answer(body, seed, is_over, partial(whole_audio, self._options))

    def stream(self, body: Body, seed: int, is_over: IsOver) -> Generator[NDArray[np.float32]]:
        """The audio of a request for plain pcm in pieces, as they come. Raises as `speak` does, until the first piece.

        Raises:
            RowRejected: The text cannot be spoken, or the stream breaks off
        """
        pieces = self._answer(body, seed, is_over, partial(opened_audio, self._options))
        try:
            yield from pieces
        except RequestFailed as failed:
            if not is_over():
                raise RowRejected(f"the stream broke off: {failed.fault.reason}") from failed

    def _answer(
        self, body: Body, seed: int, is_over: IsOver, ask: Callable[[SpeechClient, Body, IsOver], Answered]
    ) -> Answered:
        began_s, num_failed, avoid = time.monotonic(), 0, None
        chance = random.Random(seed)
        while True:
            server = self._turn(is_over, avoid)
            if self._circuits.is_doubted(server):
                # A shard of texts that break the server looks like a broken server, and must not stop the run.
                self._ask_probe(server, is_over)
                continue
            asked_s = time.monotonic()
            answer, fault = self._asked(server, body, is_over, ask)
            if fault is None:
                assert answer is not None
                return answer
            told = f"{self._clients[server].place} answers: {fault.reason}"
            if fault.blame is Blame.ROW:
                self._check_refusals(told, is_over)
                raise RowRejected(told)
            if fault.blame in (Blame.ATTEMPT, Blame.FORMAT):
                num_failed += 1
                avoid = server
                if fault.blame is Blame.FORMAT and not self._circuits.has_answered(server):
                    self._works(is_over)  # raises if the job is wrong, before the row is asked for again and again
                is_last = num_failed >= self._options.max_attempts
                if is_last and (self._circuits.has_answered_since(asked_s) or self._works(is_over)):
                    raise RowRejected(f"{num_failed} requests have failed; the last: {told}")
                if is_last and not self._has_spoken:
                    raise EndpointAway(
                        f"no speech server has given audio yet: {num_failed} requests for one text have failed, and "
                        f"so has a plain sentence; the last: {self._last_fault}"
                    )
                self._pause(num_failed, chance, is_over)
            elif time.monotonic() - began_s > self._options.away_s and self._circuits.has_answered_since(began_s):
                # Other rows were taken. Where none was, the run stops and this row fails by nothing.
                raise RowRejected(f"no server took it for {self._options.away_s:g} s (model.options.away_s): {told}")

    def _works(self, is_over: IsOver) -> bool:
        """Whether a server speaks anything at all, or refuses texts as one that works.

        Raises:
            ModelError: It does, and not as the job says
        """
        fault = self._probed(is_over)
        if fault is not None and fault.blame is Blame.FORMAT:
            raise ModelError(self._last_fault)
        return fault is None or fault.blame is Blame.ROW

    def _check_refusals(self, told: str, is_over: IsOver) -> None:
        """Count a refused text.

        Raises:
            ModelError: None was spoken yet, and a plain sentence is refused as well
        """
        if self._has_spoken:
            return
        with self._changed:
            self._num_refused += 1
            is_due = self._num_refused % _MOST_REFUSED == 0
        if is_due and (fault := self._probed(is_over)) is not None and fault.blame is Blame.ROW:
            raise ModelError(f"all texts are refused, and so is a plain sentence; the last: {told}")

    def _probed(self, is_over: IsOver) -> Fault | None:
        """The fault of a plain sentence in the default voice; None if it is spoken."""
        return self._ask_probe(self._turn(is_over, None), is_over)

    def _ask_probe(self, server: int, is_over: IsOver) -> Fault | None:
        return self._asked(server, self._probe, is_over, partial(whole_audio, self._options))[1]

    def _turn(self, is_over: IsOver, avoid: int | None) -> int:
        """Wait for a server that takes a request; which one."""
        with self._changed:
            while True:
                now_s = time.monotonic()
                if is_over():
                    raise Abandoned
                if self._circuits.silent_s(now_s) > self._options.away_s:
                    raise EndpointAway(
                        f"no speech server has given audio for {self._options.away_s:g} s (model.options.away_s); "
                        f"the last answer: {self._last_fault}. Run the same job again when it works: it goes on"
                    )
                server = self._circuits.begin(now_s, avoid)
                if server is not None:
                    return server
                wait_s = self._circuits.wait_s(now_s)
                self._changed.wait(min(wait_s, _LOOK_S) if wait_s > 0 else _LOOK_S)

    def _asked(
        self, server: int, body: Body, is_over: IsOver, ask: Callable[[SpeechClient, Body, IsOver], Answered]
    ) -> tuple[Answered | None, Fault | None]:
        """The answer of a server, or its fault, which its circuit learns.

        Raises:
            ModelError: No row can be spoken
            EndpointAway: No server can be asked any more
        """
        client, began_s = self._clients[server], time.monotonic()
        answer: Answered | None = None
        fault: Fault | None = None
        try:
            answer = ask(client, body, is_over)
        except RequestFailed as failed:
            fault = failed.fault
        except BaseException:
            self._learn(lambda: self._circuits.end(server))
            raise
        now_s = time.monotonic()
        self._has_spoken = self._has_spoken or fault is None
        if fault is None or fault.blame is Blame.ROW:
            self._learn(lambda: self._circuits.good(server, now_s))
            return answer, fault
        if is_over():
            self._learn(lambda: self._circuits.end(server))
            raise Abandoned
        self._last_fault = f"{client.place} answers: {fault.reason}"
        if fault.blame is Blame.ACCOUNT:
            self._learn(lambda: self._circuits.end(server))
            raise EndpointAway(f"{client.place} takes no more requests of this account: {fault.reason}")
        # A server that has answered and now knows no such path is one that starts again, behind a proxy that does not.
        starts_again = fault.is_missing and self._circuits.has_answered(server)
        if fault.blame is Blame.JOB and not starts_again:
            self._learn(lambda: self._circuits.end(server))
            raise ModelError(f"{client.place} answers: {fault.reason}{self._hint(fault)}")
        if fault.blame in (Blame.ATTEMPT, Blame.FORMAT):
            self._learn(lambda: self._circuits.failed(server, now_s, fault.wait_s, is_probe=body is self._probe))
        else:
            self._learn(lambda: self._circuits.busy(server, began_s, now_s, fault.wait_s))
        return None, fault

    def _hint(self, fault: Fault) -> str:
        if fault.is_missing:
            return " (model.options.urls and model.options.model name what is asked)"
        if not fault.reason.startswith(("401", "403")):
            return ""
        name = self._options.api_key_env
        return (
            f" (the key is that of the environment variable {name})"
            if name
            else " (model.options.api_key_env is not set)"
        )

    def _pause(self, num_failed: int, chance: random.Random, is_over: IsOver) -> None:
        """Wait before a request is sent again: exponential backoff with full jitter above a half."""
        longest_s = min(self._options.retry_s * 2 ** min(num_failed - 1, 16), MAX_REST_S)
        until_s = time.monotonic() + longest_s * chance.uniform(0.5, 1.0)
        while (left_s := until_s - time.monotonic()) > 0 and not is_over():
            time.sleep(min(left_s, _LOOK_S))

    def _learn(self, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()
