"""English sentences in any number, drawn from parts that fit together; the same seed gives the same sentences."""

from __future__ import annotations

import random

_OPENINGS = (
    "", "", "", "", "After supper, ", "Before the rain came, ", "On market days ", "In the end ",
    "Late in the autumn ",
    "As far as I know, ", "Without a word, ", "When the bell had rung twice, ", "By the time we arrived, ",
    "Of course, ",
)  # fmt: skip
_SUBJECTS = (
    "the baker next door", "our teacher", "the old ferry captain", "my sister", "a tall stranger in a grey coat",
    "the orchestra", "the night porter", "her youngest brother", "the clerk at the station", "two astronomers",
    "the woman from the library", "an engineer called Margaret", "the gardener", "a doctor from the next valley",
    "the whole village", "his neighbour", "the postman", "the judge", "a group of children", "the last visitor",
)  # fmt: skip
_ACTIONS = (
    "counted the boxes once more", "opened the window", "painted the fence a bright shade of green",
    "wrote a long letter to the council", "repaired the clock in the tower", "measured the room twice",
    "sold honey and small jars of plum jam", "walked along the beach to collect driftwood", "forgot the keys",
    "asked for a second cup of tea", "told a story about the great flood", "carried the piano down the stairs",
    "drew the river from its spring to the sea", "fed the horses and went to bed", "found a coin under the carpet",
    "missed the early train to the coast", "planted three rows of beans", "watched a faint point of light",
    "waited under the bridge", "refused to sign the paper", "tuned the strings", "bought bread and a pound of cherries",
)  # fmt: skip
_ENDINGS = (
    ".", ".", ".", " again.", ", as usual.", " before the others woke up.", " because the road was closed.",
    ", and nobody asked why.", " with great care.", " on the first day of spring.", " while the storm went on outside.",
    ", but the door stayed shut.", " for the sake of peace.", " at the end of the long corridor.", ", didn't they?",
    " and thought no more about it.", " in front of the town hall, where the flags were.",
)  # fmt: skip


def sentences(count: int, seed: int = 0) -> list[str]:
    """That many different sentences."""
    chance = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        parts = (chance.choice(part) for part in (_OPENINGS, _SUBJECTS, _ACTIONS, _ENDINGS))
        text = "".join((next(parts), next(parts), " ", next(parts), next(parts)))
        found[text[0].upper() + text[1:]] = None
    return list(found)
