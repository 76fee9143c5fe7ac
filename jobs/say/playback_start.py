"""When playback may start: so early as it can without running dry, by how fast and how evenly pieces came so far.

A pure decision: its times are given to it. It takes the voice to go on as fast as it began, less a margin, and pieces
to come no later than they did. `service/page/playback_start.js` is the same rule for the browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_ARRIVALS = 64
"""Arrivals that are worth keeping for `PlaybackStart.jitter_s`: what was longer ago says little of what comes."""


@dataclass(frozen=True, slots=True)
class PlaybackStart:
    """Whether enough audio is there.

    Attributes:
        char_s: Seconds of audio that a character takes, as the model estimates it
        chunk_chars: Most characters whose audio comes at once; 0 for a model that gives sound as it makes it
        margin: The rate may fall by this factor
    """

    char_s: float
    chunk_chars: int
    margin: float = 1.2

    def may_start(
        self, made_s: float, spent_s: float, chars_begun: int, chars_left: int | None, jitter_s: float = 0.0
    ) -> bool:
        """Whether playback that starts now is not expected to run dry.

        Args:
            made_s: Seconds of audio made, and seconds that making them took
            spent_s: Seconds of audio made, and seconds that making them took
            chars_begun: Characters of the text that are spoken, or being spoken
            chars_left: Characters that are not, None where the text is still arriving
            jitter_s: How late pieces came so far, as `jitter_s` measures it
        """
        if made_s <= 0:
            return False
        return made_s >= self.needed_s(made_s, spent_s, chars_begun, chars_left, jitter_s)

    def needed_s(
        self, made_s: float, spent_s: float, chars_begun: int, chars_left: int | None, jitter_s: float = 0.0
    ) -> float:
        """Seconds of audio that have to be there, 0 when nothing is left to make; for the arguments see `may_start`.

        Audio comes in n chunks of L seconds that take L/r seconds each. Chunk k comes at k L/r; by then no more may be
        played than was there and came before: start + (k-1) L >= k L/r. The first chunk asks most where r >= 1, and
        the last where the voice is slower than the sound that it makes. A chunk that may come later by the jitter asks
        for that much more.
        """
        char_s = max(self.char_s, made_s / chars_begun if chars_begun else 0.0)
        in_hand_s = 0.0 if self.chunk_chars else max(0.0, chars_begun * char_s - made_s)
        # Of a text that still arrives only the next chunk is counted: its length is not known.
        left = self.chunk_chars if chars_left is None else chars_left
        left_s = in_hand_s + left * char_s
        chunk_s = min(self.chunk_chars * char_s, left_s)
        slowness = self.margin * spent_s / made_s if made_s > 0 else 0.0  # 1/r
        late_s = jitter_s if left_s > 0 else 0.0
        return chunk_s * slowness + max(0.0, (left_s - chunk_s) * (slowness - 1)) + late_s

    def jitter_s(self, arrivals: Sequence[tuple[float, float]]) -> float:
        """The longest that a piece, or a run of them, was late by, in seconds; 0 for fewer than two arrivals.

        Against an even flow at the rate from the first arrival to the last: from piece j on, all before piece k has to
        come in (made before k - made at j) / r, and what that was exceeded by is late. A chunk comes at its end, as
        `needed_s` knows, so its own time is not late.

        Args:
            arrivals: Of each piece in order: when it came, and the audio made with it, in seconds
        """
        if len(arrivals) < 2 or arrivals[-1][1] <= arrivals[0][1]:
            return 0.0
        (first_at_s, first_s), (last_at_s, last_s) = arrivals[0], arrivals[-1]
        slowness = (last_at_s - first_at_s) / (last_s - first_s)
        most_chunk_s = self.chunk_chars * self.char_s
        late_s, earliest_s = 0.0, float("inf")
        for (at_s, made_s), (next_at_s, next_made_s) in pairwise(arrivals):
            earliest_s = min(earliest_s, at_s - slowness * made_s)
            chunk_s = min(next_made_s - made_s, most_chunk_s)
            late_s = max(late_s, next_at_s - slowness * (made_s + chunk_s) - earliest_s)
        return late_s
