"""What a client has sent and the session has not taken yet.

Guaranteed: messages come out in order, those of text joined. A full inbox makes the reader wait, so that the connection
passes the waiting on to the client: memory is bounded by the limit and one message.
"""

from __future__ import annotations

import asyncio
from collections import deque

from .messages import ClientMessage, InputText

MOST_MESSAGES = 64


class Inbox:
    """A queue of messages, for one writer and one reader in one event loop.

    Args:
        most_chars: Characters of text that may wait before `put` does
    """

    def __init__(self, most_chars: int) -> None:
        self._most_chars = most_chars
        self._items: deque[ClientMessage | list[str]] = deque()
        self._num_chars = 0
        self._has_some = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def put(self, message: ClientMessage) -> None:
        """Add a message; waits while the inbox is full. Empty text is none: any number of it would find room."""
        if isinstance(message, InputText) and not message.text:
            return
        await self._has_room.wait()
        if isinstance(message, InputText):
            last = self._items[-1] if self._items else None
            if isinstance(last, list):
                last.append(message.text)
            else:
                self._items.append([message.text])
            self._num_chars += len(message.text)
        else:
            self._items.append(message)
        self._has_some.set()
        self._settle()

    async def get(self) -> ClientMessage:
        """The next message, waiting for it; a cancelled call takes none."""
        await self._has_some.wait()
        item = self._items.popleft()
        if not self._items:
            self._has_some.clear()
        if not isinstance(item, list):
            self._settle()
            return item
        text = "".join(item)
        self._num_chars -= len(text)
        self._settle()
        return InputText(text)

    def _settle(self) -> None:
        if self._num_chars < self._most_chars and len(self._items) < MOST_MESSAGES:
            self._has_room.set()
        else:
            self._has_room.clear()
