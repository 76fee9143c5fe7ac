"""What waits for a session is bounded, whatever a client sends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from speechmill.jobs.service.live.inbox import MOST_MESSAGES, Inbox
from speechmill.jobs.service.live.messages import ClientMessage, InputCommit, InputDone, InputText


async def sent(inbox: Inbox, messages: Sequence[ClientMessage]) -> int:
    """The number of messages that find room."""
    for number, message in enumerate(messages):
        try:
            async with asyncio.timeout(0):
                await inbox.put(message)
        except TimeoutError:
            return number
    return len(messages)


@pytest.mark.parametrize(
    ("messages", "most"),
    [
        ([InputText("a")] * 99, 10),
        ([InputText("a" * 99)] * 9, 1),
        ([InputCommit("here")] * 99, MOST_MESSAGES),
        ([InputText("a"), InputDone()] * 99, 20),
    ],
)
def test_a_full_inbox_makes_the_client_wait(messages: Sequence[ClientMessage], most: int) -> None:
    async def run() -> None:
        inbox = Inbox(10)
        num_sent = await sent(inbox, messages)
        assert most - 1 <= num_sent <= most
        await inbox.get()
        assert await sent(inbox, messages[:1]) == 1

    asyncio.run(run())


def test_messages_come_in_order_and_text_is_joined_but_empty_text_is_nothing() -> None:
    async def run() -> list[ClientMessage]:
        inbox = Inbox(100)
        await sent(
            inbox, [InputText(""), InputText("It"), InputText(""), InputText(" was"), InputDone(), InputText("")]
        )
        assert len(inbox._items) == 2  # pyright: ignore[reportPrivateUsage]
        return [await inbox.get(), await inbox.get()]

    assert asyncio.run(run()) == [InputText("It was"), InputDone()]
