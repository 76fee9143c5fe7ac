"""A speech whose text arrives: its rows, one after the other, and the parts of their prompts as they come. No torch."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import RowRejected
from ..records.text_channel import TextSource

if TYPE_CHECKING:
    from torch import Tensor

    from .request import Generated, Request


@dataclass(frozen=True, slots=True, eq=False)
class PromptPart:
    """What is added to the prompt of a row: embeddings float [length, hidden], or None; and whether it is complete."""

    embeddings: Tensor | None = None
    is_last: bool = False


class GrowingRows(ABC):
    """The rows of one speech, which the model makes from its tokens as they come: often a single one.

    What the rows hold depends on the tokens and on the codes drawn before, not on the parts in which tokens come. The
    prompt of a row is complete once it is known whether another row follows: with the first token of that one, or with
    the end of the text. One method is called at a time, from any thread; `num_waiting` at any time.
    """

    @property
    @abstractmethod
    def num_waiting(self) -> int:
        """Tokens that no row has got yet: while there are many, no more text is taken."""

    @abstractmethod
    def feed(self, tokens: Sequence[int], *, is_last: bool) -> None:
        """Add tokens, as `prepare` gives them for a part of the text, or for all of it.

        Args:
            is_last: Nothing more comes
        """

    @abstractmethod
    def start(self, ended: Generated | None) -> Request | None:
        """The next row, with as much of its prompt as is there; its key, and what follows it, are set by the caller.

        Args:
            ended: All that was drawn for the rows before; None for the first one, which begins before there is any
                token

        Returns:
            None if no row follows; never for the first one
        """

    @abstractmethod
    def more(self) -> PromptPart:
        """The part of its prompt that the row which was started last has not got yet; nothing once it is complete."""


MOST_WAITING_TOKENS = 1_000
"""Tokens that may wait for their row before the text that follows is left where it is."""


class Growth:
    """Text that becomes rows: the thread that speaks it takes its parts, the one that steps starts the rows.

    Args:
        text: None if the rows have all tokens already
        tokens_of: Tokens of a part of the text
    """

    def __init__(
        self,
        rows: GrowingRows,
        text: TextSource | None = None,
        tokens_of: Callable[[str], Sequence[int]] = lambda part: (),
    ) -> None:
        self._rows, self._text, self._tokens_of = rows, text, tokens_of
        self._lock = threading.Lock()
        self._is_over = False
        self._is_spoken = False
        self._opening: list[int] = []
        """Tokens of marks before the first word: a text of marks alone is refused, before anything is heard."""

    @property
    def is_ready(self) -> bool:
        """Whether `take` has something new."""
        if self._text is None or self._is_over:
            return False
        return self._rows.num_waiting < MOST_WAITING_TOKENS and self._text.is_ready

    def when_ready(self, call: Callable[[], None]) -> None:
        """See `TextSource.when_ready`."""
        if self._text is not None:
            self._text.when_ready(call)

    def take(self) -> PromptPart:
        """What has come for the row that is drawn; never waits.

        Raises:
            RowError: A part of the text cannot be spoken
            RowRejected: The text is complete, and nothing in it can be spoken
        """
        assert self._text is not None, "nothing comes"
        text, is_over = self._text.take()
        tokens = self._tokens_of(text) if text else ()
        self._is_spoken = self._is_spoken or (bool(tokens) and any(map(str.isalnum, text)))
        if is_over and not self._is_spoken:
            raise RowRejected("nothing in the text can be spoken")
        if not self._is_spoken:
            self._opening += tokens
            return PromptPart()
        opening, self._opening = self._opening, []
        self._is_over = is_over
        with self._lock:
            self._rows.feed([*opening, *tokens], is_last=is_over)
            return self._rows.more()

    def start(self) -> Request:
        """The first row, and after it those that follow."""
        request = self._next(None)
        assert request is not None, "there is a first row"
        return request

    def _next(self, ended: Generated | None) -> Request | None:
        with self._lock:
            request = self._rows.start(ended)
        return None if request is None else replace(request, follow=self._next)
