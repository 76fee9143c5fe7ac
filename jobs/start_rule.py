"""When playback may start: so early as it can without running dry, by how fast the voice has been so far.

A pure decision: its times are given to it. It takes the voice to go on as fast as it began, less a margin.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartRule:
    """Whether enough audio is there.

    char_s      seconds of audio that a character takes, as the model estimates it
    lump_chars  most characters whose audio comes at once; 0 for a model that gives sound as it makes it
    margin      the rate may fall by this factor
    """

    char_s: float
    lump_chars: int
    margin: float = 1.2

    def may_start(self, made_s: float, spent_s: float, chars_begun: int, chars_left: int | None) -> bool:
        """Whether playback that starts now is not expected to run dry.

        made_s, spent_s  seconds of audio made, and seconds that making them took
        chars_begun      characters of the text that are spoken, or being spoken
        chars_left       characters that are not, None where the text is still arriving
        """
        if made_s <= 0:
            return False
        return made_s >= self.needed_s(made_s, spent_s, chars_begun, chars_left)

    def needed_s(self, made_s: float, spent_s: float, chars_begun: int, chars_left: int | None) -> float:
        """Seconds of audio that have to be there, 0 when nothing is left to make; for the arguments see `may_start`.

        Audio comes in n lumps of L seconds that take L/r seconds each. Lump k comes at k L/r; by then no more may be
        played than was there and came before: start + (k-1) L >= k L/r. The first lump asks most where r >= 1, and
        the last where the voice is slower than the sound that it makes.
        """
        char_s = max(self.char_s, made_s / chars_begun if chars_begun else 0.0)
        in_hand_s = 0.0 if self.lump_chars else max(0.0, chars_begun * char_s - made_s)
        # Of a text that still arrives only the next lump is counted: its length is not known.
        left = self.lump_chars if chars_left is None else chars_left
        left_s = in_hand_s + left * char_s
        lump_s = min(self.lump_chars * char_s, left_s)
        slowness = self.margin * spent_s / made_s if made_s > 0 else 0.0  # 1/r
        return lump_s * slowness + max(0.0, (left_s - lump_s) * (slowness - 1))
