"""Texts for the batching benchmark: drawn from a seed, or read from a CSV; the same call gives the same texts.

A drawn text is ordinary words without a full stop, so that it is one segment wherever the model takes it whole.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from speechmill.actors.models.base import ModelInfo
from speechmill.actors.models.probe_texts import probe_texts
from speechmill.actors.records.utterance import Shard, Utterance
from speechmill.cluster.sharding.sharding import CostModel, shard_window
from speechmill.jobs.planning.windows import windows
from speechmill.jobs.spec.job import ShardingSpec

MEDIAN_CHARS, P99_CHARS = 60, 600
LONGEST_CHARS = 2_400
SPEECH_CHAR_S = 0.063
"""Seconds of audio per character of ordinary speech, by which shards are cut also where the model makes less."""

_PROSE = """
the baker next door opens her shop at five and by seven the whole street smells of warm rye and roasted seeds
our teacher drew the river from its spring to the sea and asked us where a town would like to stand and why
nobody had repaired the clock in the station since winter so the trains were early late or punctual as you pleased
grandfather kept his tools in the order in which he had bought them and could tell a story about every single one
when the storm was over we walked along the beach to collect driftwood bottles and once a blue wooden chair
the orchestra tuned its strings the lamps went down and for a long moment there was only somebody coughing
on market days she sells honey candles and small jars of plum jam from a folding table beside the fountain
he measured the room twice wrote both results on the wall and then ordered a carpet that was far too wide
two astronomers in a cold hut on the mountain watched a faint point of light that moved between the others
after supper the children built a bridge of books from the sofa to the window and drove their cars across it
"""
_WORDS = (*probe_texts(["en"]).words, *_PROSE.split())
_STREAM_WORDS = 200_000


def lognormal_lengths(count: int, seed: int = 0) -> list[int]:
    """Characters of `count` long-tailed texts: median 60, 99th percentile 600, none above 2,400."""
    sigma = math.log(P99_CHARS / MEDIAN_CHARS) / 2.3263
    drawn = np.random.default_rng(seed).lognormal(math.log(MEDIAN_CHARS), sigma, count)
    lengths: list[int] = drawn.round().clip(1, LONGEST_CHARS).astype(int).tolist()
    return lengths


def texts_of(lengths: Iterable[int], seed: int = 0) -> list[str]:
    """Texts of about these many characters, cut between words."""
    chance = random.Random(seed)
    stream = " ".join(chance.choices(_WORDS, k=_STREAM_WORDS))
    texts: list[str] = []
    for length in lengths:
        start = stream.index(" ", chance.randrange(len(stream) - LONGEST_CHARS - 100)) + 1
        # Half a word more than asked for: cutting at the word end before takes half a word away.
        texts.append(stream[start : start + length + 3].rpartition(" ")[0] or stream[start : stream.index(" ", start)])
    return texts


def lognormal_corpus(count: int, seed: int = 0) -> list[Utterance]:
    """Utterances of long-tailed lengths, in no order."""
    return utterances_of(texts_of(lognormal_lengths(count, seed), seed))


def read_corpus(path: Path, column: str) -> list[Utterance]:
    """The rows of a CSV. Raises SystemExit where it has no such column."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        if column not in (rows.fieldnames or ()):
            raise SystemExit(f"{path} has no column {column!r}; it has {', '.join(rows.fieldnames or ())}")
        return utterances_of(row[column] for row in rows if row[column].strip())


def utterances_of(texts: Iterable[str]) -> list[Utterance]:
    """The texts as rows."""
    return [Utterance(row, f"row-{row}", text, seed=row) for row, text in enumerate(texts)]


def shards_of(utterances: Iterable[Utterance], info: ModelInfo, *, is_tapered: bool) -> Iterator[Shard]:
    """The rows in shards, as a job with the default settings cuts them.

    Not tapered, as if the corpus went on: the last window of a job is cut ever finer, so that replicas end together.
    """
    spec, cost = ShardingSpec(), CostModel(info.base_s, info.char_s, SPEECH_CHAR_S)
    for window in windows(utterances, spec.window_rows):
        is_last = window.is_last and is_tapered
        yield from shard_window(window.index, window.utterances, cost, spec.limits(), is_last=is_last)


def adversarial_lengths(count: int) -> Mapping[str, list[int]]:
    """Sequences that have surprised batching by rule of thumb: `count` lengths each."""
    chance = random.Random(0)
    ramp = np.linspace(1, LONGEST_CHARS, count).astype(int).tolist()
    return {
        "constant": [300] * count,
        "bimodal": chance.choices([20, 1_200], [9, 1], k=count),
        "one giant per shard": [LONGEST_CHARS if at % 1_000 == 500 else 12 + at % 17 for at in range(count)],
        "ascending": ramp,
        "descending": ramp[::-1],
        "log-normal": lognormal_lengths(count, seed=1),
    }


def adversarial_shards(lengths: Iterable[int], rows: int = 1_000) -> Iterator[list[Utterance]]:
    """Consecutive rows of these lengths, unsorted: a job's shards hold similar lengths and are easier."""
    shard: list[Utterance] = []
    for row, length in enumerate(lengths):
        shard.append(Utterance(row, str(row), "x" * length, seed=row))
        if len(shard) == rows:
            yield shard
            shard = []
    if shard:
        yield shard
