"""Many WebSockets at once, of all kinds of clients: the good ones hear everything, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import random
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import psutil
import pytest
from support.waiting import HANG_S
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import speechmill
from speechmill.actors.audio.encoding import pcm16
from speechmill.jobs.service.admission import AdmissionLimits

KEY = "a key for tests"
TEXT = "When the rain had stopped, we went out. It was no. 5, and it cost $5 000. "
CONFIG = json.dumps({"type": "session.config", "stream_audio": True, "response_format": "pcm", "seed": 7})
DONE = json.dumps({"type": "input.done"})
LIMITS = AdmissionLimits(
    max_chars=500, max_body_bytes=10_000, max_streams=16, max_waiting=2_000, max_wait_s=HANG_S, max_connections=2_000,
    idle_text_s=HANG_S, first_audio_s=HANG_S,
)  # fmt: skip

Client = Callable[[ClientConnection, random.Random], Coroutine[Any, Any, Any]]


def text_of(part: str) -> str:
    return json.dumps({"type": "input.text", "text": part})


async def heard(socket: ClientConnection, pause_s: float = 0.0) -> tuple[bytes, list[dict[str, Any]]]:
    """The audio and the messages of an utterance, to `session.done`."""
    audio, told = bytearray(), [{"type": ""}]
    while told[-1]["type"] != "session.done":
        message = await socket.recv()
        if isinstance(message, bytes):
            audio += message
            await asyncio.sleep(pause_s)
        else:
            told.append(json.loads(message))
    return bytes(audio), told[1:]


async def writes_at_once(socket: ClientConnection, chance: random.Random) -> bytes:
    for message in (CONFIG, text_of(TEXT), DONE):
        await socket.send(message)
    return (await heard(socket))[0]


async def writes_slowly(socket: ClientConnection, chance: random.Random) -> bytes:
    await socket.send(CONFIG)
    hearing = asyncio.ensure_future(heard(socket))
    for start in range(0, len(TEXT), 9):
        await socket.send(text_of(TEXT[start : start + 9]))
        await asyncio.sleep(chance.random() * 0.01)
    await socket.send(DONE)
    return (await hearing)[0]


async def reads_slowly(socket: ClientConnection, chance: random.Random) -> bytes:
    for message in (CONFIG, text_of(TEXT), DONE):
        await socket.send(message)
    return (await heard(socket, 0.01))[0]


async def says_wrong_things(socket: ClientConnection, chance: random.Random) -> bytes:
    await socket.send(CONFIG)
    for wrong in ("{", "[]", '{"type": "x"}', '{"type": "session.config", "speed": -1}', text_of("a" * 501)):
        await socket.send(wrong)
    await socket.send(text_of(TEXT))
    await socket.send(DONE)
    audio, told = await heard(socket)
    assert sum(message["type"] == "error" for message in told) == 5
    return audio


async def leaves(socket: ClientConnection, chance: random.Random) -> None:
    await socket.send(CONFIG)
    for _ in range(chance.randrange(4)):
        await socket.send(text_of(TEXT))
        await asyncio.sleep(chance.random() * 0.02)
    if chance.random() < 0.5:
        socket.transport.abort()


async def writes_too_much(socket: ClientConnection, chance: random.Random) -> None:
    for message in (CONFIG, *[text_of(TEXT)] * 8, DONE):
        await socket.send(message)
    _, told = await heard(socket)
    assert [message["code"] for message in told if message["type"] == "error"] == ["string_above_max_length"]


async def sends_bytes(socket: ClientConnection, chance: random.Random) -> None:
    await socket.send(chance.choice([b"bytes", "x" * 10_001, DONE]))
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        assert closed.rcvd.code in (1003, 1008, 1009)


GOOD: list[Client] = [writes_at_once, writes_slowly, reads_slowly, says_wrong_things]
BAD: list[Client] = [leaves, writes_too_much, sends_bytes]


async def crowd(served: Any, wanted: bytes, num_clients: int, seed: int) -> None:
    """So many clients, all at once."""

    async def one(number: int) -> None:
        chance = random.Random(seed * 10_000 + number)
        client = chance.choice([*GOOD, *BAD])
        url = f"ws://127.0.0.1:{served.port}/v1/audio/speech/stream"
        how: Any = {"open_timeout": HANG_S, "close_timeout": HANG_S, "proxy": None, "ping_interval": None}
        if chance.random() < 0.1:
            with pytest.raises(InvalidStatus):
                await connect(url, additional_headers={"Authorization": "Bearer other"}, **how)
            return
        async with connect(url, additional_headers={"Authorization": f"Bearer {KEY}"}, **how) as socket:
            audio = await client(socket, chance)
        assert client in BAD or audio == wanted, client.__name__

    await asyncio.gather(*(one(number) for number in range(num_clients)))


def serve_crowds(serve: Any, until: Any, sizes: list[int]) -> list[int]:
    """Crowds one after the other; the memory of this process after each, in bytes."""
    served = serve(limits=LIMITS, key=KEY)
    speech = speechmill.say(iter([TEXT]), model=served.speaker.model, seed=7)
    wanted = np.concatenate([pcm16(piece) for piece in speech]).astype("<i2").tobytes()
    used: list[int] = []
    for seed, num_clients in enumerate(sizes):
        asyncio.run(crowd(served, wanted, num_clients, seed))
        until(lambda: served.is_idle)
        gc.collect()
        used.append(psutil.Process().memory_info().rss)
    assert served.counts.most_speaking <= LIMITS.max_streams
    assert served.counts.statuses.count(101) + served.counts.statuses.count(401) == sum(sizes)
    served.in_loop(served.app.state.drain)
    served.in_loop(served.app.state.drained)
    return used


def test_a_crowd_of_all_kinds_leaves_nothing_behind(serve: Any, until: Any) -> None:
    serve_crowds(serve, until, [40])


@pytest.mark.soak
def test_five_hundred_at_once_again_and_again(serve: Any, until: Any) -> None:
    used = serve_crowds(serve, until, [500] * 4)
    assert used[-1] - used[1] < 32 << 20, used
