"""Which text a step of audio may look at: a pure rule of positions and of the number of tokens. No torch is needed.

A row is a region of fixed length, then audio. The region begins with two positions, [Stts] and the speaker; then come
the text, its end [Etts], and positions that stay unused. Behind it stands [Ptts], from which the first codes are drawn.
So audio always begins at the same position, however short the text. The more audio there is, the more text is visible:
it may still be arriving while the first steps are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
class TextWindow:
    """A part of a long text that is spoken in one region.

    Attributes:
        tokens: With the last ones of the window before
        carried: How many of them are those
    """

    tokens: tuple[int, ...]
    carried: int = 0


@dataclass(frozen=True, slots=True)
class Windowing:
    """How a long text is cut into windows.

    Attributes:
        most: The most tokens of a window: one position of the region is for the end of the text
        close_after: Tokens after which a window closes at the next end of a sentence
        text_carried: Tokens of a window that the next one begins with
    """

    most: int = 299
    close_after: int = 120
    text_carried: int = 5

    def cut(self, tokens: Iterable[int], ends: frozenset[int]) -> list[TextWindow]:
        """The windows of a text, at least one. Nothing that comes later changes a window that has closed.

        Args:
            tokens: Of the whole text
            ends: Tokens that end a sentence
        """
        windows: list[TextWindow] = []
        held: list[int] = []
        carried = 0
        for token in tokens:
            # A window that is full closes before the token that it has no room for.
            is_full = len(held) == self.most
            if is_full or (len(held) >= self.close_after and held[-1] in ends):
                windows.append(TextWindow(tuple(held), carried))
                held = held[-self.text_carried :] if self.text_carried else []
                carried = len(held)
            held.append(token)
        return [*windows, TextWindow(tuple(held), carried)]
