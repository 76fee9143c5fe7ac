"""Which text a step of audio may look at: a pure rule of positions and of the number of tokens. No torch is needed.

A row is a region of fixed length, then audio. The region begins with two positions, [Stts] and the speaker; then come
the text, its end [Etts], and positions that stay unused. Behind it stands [Ptts], from which the first codes are drawn.
So audio always begins at the same position, however short the text. The more audio there is, the more text is visible:
it may still be arriving while the first steps are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

HEAD = 2
"""Positions before the text: [Stts] and the speaker."""


@dataclass(frozen=True, slots=True)
class TextSchedule:
    """The lengths that the rule depends on; the defaults are those of the published configuration.

    Attributes:
        reserved: Positions for text
        text_chunk: Tokens that become visible at once
        audio_chunk: Steps after which they do
    """

    reserved: int = 300
    text_chunk: int = 10
    audio_chunk: int = 50

    @property
    def start(self) -> int:
        """The position of [Ptts], behind the text: from there on there is audio."""
        return HEAD + self.reserved

    def needs(self, at: int) -> int:
        """Positions of head and text that audio input `at` looks at, as far as there are so many.

        Args:
            at: 0 for [Ptts]; codes follow it
        """
        chunks = -(-(self.start + at - self.reserved) // self.audio_chunk)
        return HEAD + min(chunks * self.text_chunk, self.reserved)


@dataclass(frozen=True, slots=True)
class Windowing:
    """How a long text is cut into windows, each of which is spoken in a region of its own.

    Attributes:
        most: The most tokens of a window: one position of the region is for the end of the text
        close_after: Tokens after which a window closes at the next end of a sentence
        text_carried: Tokens of a window that the next one begins with
    """

    most: int = 299
    close_after: int = 120
    text_carried: int = 5


@dataclass(slots=True)
class TextWindow:
    """A part of a text.

    Attributes:
        tokens: So far; the first are the last ones of the window before
        num_carried: How many of them are those
        is_closed: No more tokens come
    """

    tokens: list[int] = field(default_factory=list[int])
    num_carried: int = 0
    is_closed: bool = False


class TextWindows:
    """The windows of a text that arrives, in order, the last of which may be open.

    Guaranteed: windows depend on the tokens, not on the parts in which they come. What comes later changes no window
    that is closed. The text has ended when the last window is closed.

    Args:
        ends: Tokens that end a sentence
    """

    def __init__(self, windowing: Windowing, ends: frozenset[int]) -> None:
        self._windowing, self._ends = windowing, ends
        self.windows = [TextWindow()]

    def feed(self, tokens: Iterable[int], *, is_last: bool) -> None:
        """Add tokens.

        Args:
            is_last: Nothing more comes
        """
        for token in tokens:
            window = self.windows[-1]
            # A window closes when the next one begins: the last window is none that has nothing of its own.
            if self._is_full(window):
                window.is_closed = True
                carried = window.tokens[len(window.tokens) - self._windowing.text_carried :]
                window = TextWindow(carried, len(carried))
                self.windows.append(window)
            window.tokens.append(token)
        self.windows[-1].is_closed = is_last

    def _is_full(self, window: TextWindow) -> bool:
        length = len(window.tokens)
        is_at_end = length >= self._windowing.close_after and window.tokens[-1] in self._ends
        return is_at_end or length == self._windowing.most
