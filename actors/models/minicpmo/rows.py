"""The rows of one speech: a window of the text each, which continues the last steps of the window before.

Guaranteed: rows depend on the tokens and on the codes drawn before, never on when the tokens came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...engine.growth import GrowingRows, PromptPart
from ...engine.request import Generated, Request
from ...records.utterance import Segment
from .options import MinicpmoOptions
from .text_schedule import TextWindows

if TYPE_CHECKING:
    from torch import Tensor

    from .networks import MinicpmoNetworks


class MinicpmoRows(GrowingRows):
    """The rows of a segment.

    Args:
        head: What stands before the text in every window: float [2, hidden]
        ends: Tokens that end a sentence
    """

    def __init__(
        self, networks: MinicpmoNetworks, options: MinicpmoOptions, segment: Segment, head: Tensor, ends: frozenset[int]
    ) -> None:
        self._networks, self._options, self._segment, self._head = networks, options, segment, head
        self._text = TextWindows(options.windowing, ends)
        self._number = self._num_given = 0
        self._is_closed = False
        """Whether the row that was started last has got the end of its text."""

    @property
    def num_waiting(self) -> int:
        """Tokens that no row has got yet."""
        own = (len(window.tokens) - window.num_carried for window in self._text.windows[self._number + 1 :])
        return len(self._text.windows[self._number].tokens) - self._num_given + sum(own)

    def feed(self, tokens: Sequence[int], *, is_last: bool) -> None:
        """Add tokens of the text."""
        self._text.feed(tokens, is_last=is_last)

    def start(self, ended: Generated | None) -> Request | None:
        """The row of the next window; None if there is none.

        A window whose row drew its end before all of its text was visible is over: the rest of it is not spoken.
        """
        import torch

        from ..noise import segment_seed

        if ended is not None:
            if self._number + 1 == len(self._text.windows):
                return None
            self._number += 1
        self._num_given, self._is_closed = 0, False
        part = self.more()
        prompt = self._head if part.embeddings is None else torch.cat((self._head, part.embeddings))
        sampling, carried, purpose = self._options.sampling, None, "speak"
        if ended is not None:
            carried = ended.codes[max(0, ended.num_steps - self._options.steps_carried) :]
            purpose = f"window {self._number}"
            most = max(1, sampling.max_steps - len(carried))
            free = sampling.free_steps if not len(carried) else 0
            sampling = replace(
                sampling, max_steps=most, min_steps=max(0, sampling.min_steps - len(carried)), free_steps=free
            )
        segment = self._segment
        return Request(
            key=0,
            prompt=prompt,
            seed=segment_seed(segment.seed, segment.index, purpose, segment.attempt),
            sampling=sampling,
            opening=self._networks.opening(carried),
            is_whole=part.is_last,
        )

    def more(self) -> PromptPart:
        """The tokens of its window that the row has not got yet; with the end behind the last."""
        window = self._text.windows[self._number]
        coming = window.tokens[self._num_given :]
        is_last = window.is_closed and not self._is_closed
        self._num_given, self._is_closed = len(window.tokens), window.is_closed
        if not coming and not is_last:
            return PromptPart()
        return PromptPart(self._networks.text(coming, is_last=is_last), is_last)
