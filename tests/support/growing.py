"""A tiny network whose rows have a region, and a model that types letters with it: random weights, no speech.

What grows while it is drawn is tested with them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.chunks import ChunkPolicy
from speechmill.actors.engine.growing_model import GrowingModel
from speechmill.actors.engine.growth import GrowingRows, PromptPart
from speechmill.actors.engine.network import Attended
from speechmill.actors.engine.region import Region
from speechmill.actors.engine.request import Generated, Request, Sampling
from speechmill.actors.engine.step_settings import StepSettings, StepTiming, Task
from speechmill.actors.models.base import BatchLimit, ModelConfig, ModelInfo
from speechmill.actors.models.noise import segment_seed
from speechmill.actors.records.utterance import Prepared, Segment

CPU = torch.device("cpu")
VOCABULARY, END, BOOKS, HIDDEN, SIZE = 12, 11, 2, 16, 8
FIRST, MORE, EVERY, MOST = 4, 3, 6, 40
"""Prompt positions that the first step needs, and how many more are due after how many steps; size of the region."""
MAX_STEPS = 90
POSITIONS = MOST + 4 + MAX_STEPS


def needs(at: int) -> int:
    """Prompt positions that input `at` attends to."""
    return min(MOST, FIRST + MORE * ((at + 1) // EVERY))


class GrowingNetwork:
    """Two layers of attention; positions are added to the inputs."""

    num_codebooks, vocabulary, end, hidden, dtype = BOOKS, VOCABULARY, END, HIDDEN, torch.float32
    position_bytes = Cache.bytes_per_position(layers=2, heads=2, head_size=SIZE, dtype=torch.float32)

    def __init__(self, num_hidden: int = 1) -> None:
        self.region = Region(MOST, needs, num_hidden)
        self.calls: list[tuple[int, int]] = []
        """Rows and inputs of each call."""
        chance = torch.Generator().manual_seed(5)
        self.codes = torch.randn(BOOKS, VOCABULARY, HIDDEN, generator=chance)
        self.qkv = torch.randn(2, HIDDEN, 3 * HIDDEN, generator=chance) * HIDDEN**-0.5
        self.heads = torch.randn(HIDDEN, BOOKS * VOCABULARY, generator=chance) * 0.7
        self.places = torch.randn(POSITIONS, HIDDEN, generator=chance)

    def cache(self, slots: int, positions: int) -> Cache:
        """Keys and values of this many rows."""
        return Cache(2, slots, 2, positions, SIZE, torch.float32, CPU)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes int64 [rows, codebooks] as input."""
        return self.codes[0][codes[:, 0]] + self.codes[1][codes[:, 1]]

    def hiddens(
        self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int, seen: Tensor | None = None
    ) -> Tensor:
        """Hidden states; see `RegionNetwork`."""
        rows, time, _ = x.shape
        self.calls.append((rows, time))
        at = (starts[:, None] + torch.arange(time)).clamp(max=cache.positions - 1)
        is_seen = Attended.in_region(at, self.region, seen).mask(reach)[:, None]
        x = x + self.places[at]
        for layer in range(2):
            qkv = (x @ self.qkv[layer]).view(rows, time, 3, 2, SIZE).permute(2, 0, 3, 1, 4)
            query, key, value = qkv
            cache.put(layer, first, at, key, value)
            keys, values = cache.view(layer, first, rows, reach)
            heard = F.scaled_dot_product_attention(query, keys, values, attn_mask=is_seen)
            x = torch.tanh(x + heard.transpose(1, 2).reshape(rows, time, HIDDEN))
        return x

    def logits(self, hidden: Tensor) -> Tensor:
        """Float [rows, codebooks, vocabulary]."""
        return (hidden @ self.heads).view(len(hidden), BOOKS, VOCABULARY)


def growing_request(key: int, *, steps: int | None = None) -> Request:
    """A row whose whole prompt is there; rows differ in all that they may differ in."""
    chance = random.Random(key)
    generator = torch.Generator().manual_seed(key)
    sampling = Sampling(
        temperature=(chance.choice([0.5, 1.0]), 0.8),
        top_p=chance.choice([0.7, 0.9]),
        top_k=chance.choice([3, 8]),
        penalty=chance.choice([1.0, 1.05]),
        max_steps=steps or chance.randint(4, MAX_STEPS),
        end_period=6,
        end_from=4,
        free_steps=1,
    )
    prompt = torch.randn(chance.randint(1, MOST), HIDDEN, generator=generator)
    opening = torch.randn(chance.choice([1, 1, 3]), HIDDEN, generator=generator)
    return Request(key, prompt, seed=1_000 + key, sampling=sampling, opening=opening)


LETTERS = "abcdefghijklmnopqrstuvwxyz"
WINDOW, CARRIED_TOKENS, CARRIED_STEPS = 20, 2, 3
"""Tokens of a row; how many of them, and of its steps, the next row begins with."""


class Typist(GrowingModel):
    """Letters as tokens, some steps for each; a long text is spoken in rows that go on where the last one stopped."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """What it is."""
        return ModelInfo(
            name="typist",
            revision="1",
            backend="torch",
            sample_rate=8_000,
            voices=("one",),
            default_voice="one",
            max_length=200,
            split_chars=200,
            batch_limit=BatchLimit(64, 64 * 200),
            base_s=0.001,
            char_s=0.001,
            speeds=(1.0, 1.0),
            takes_arriving_text=True,
        )

    def __init__(self, config: ModelConfig) -> None:
        self.info = self.describe(config)
        self.net = GrowingNetwork()
        chance = torch.Generator().manual_seed(6)
        self.letters = torch.randn(len(LETTERS), HIDDEN, generator=chance)
        self.marks = torch.randn(3, HIDDEN, generator=chance)
        self.is_deterministic = config.options.get("deterministic") is True

    @property
    def settings(self) -> StepSettings:
        """A row that is cut off is kept."""
        timing = StepTiming(40, 0, 8_000)
        policy = ChunkPolicy(first=2, growth=1.5, most=8, ahead=1, context=3)
        return StepSettings(
            "typist",
            "cpu",
            timing,
            decode_step_bytes=1_024,
            streaming=policy,
            is_deterministic=self.is_deterministic,
            keeps_incomplete=True,
        )

    def prepare(self, text: str, voice: str) -> Prepared:
        """A token for each letter."""
        return Prepared.of(LETTERS.index(letter) for letter in text.lower() if letter in LETTERS)

    def positions(self) -> Mapping[Task, int]:
        """The region, the longest opening, the steps."""
        return {"speak": MOST + 1 + CARRIED_STEPS + MAX_STEPS}

    def network(self, task: Task) -> GrowingNetwork:
        """One for all."""
        return self.net

    def grow(self, segment: Segment) -> GrowingRows:
        """Rows of `WINDOW` tokens."""
        return TypedRows(self, segment)

    @property
    def drawing(self) -> Sampling:
        """The end comes at some of the steps only."""
        return Sampling((1.0, 0.8), 0.9, 8, 1.05, max_steps=MAX_STEPS, end_period=6, end_from=4, free_steps=1)

    def decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """A wave for each step, of its two codes: float32 [batch, samples]."""
        at = torch.arange(40) / 40
        pitch = (steps[:, 0] * VOCABULARY + steps[:, 1] + 1)[..., None]
        return 0.3 * torch.sin(2 * torch.pi * pitch * at).flatten(1)


class TypedRows(GrowingRows):
    """Rows of a text: a mark, the letters of its window, and a mark once it is known that no letter follows in it."""

    def __init__(self, model: Typist, segment: Segment) -> None:
        self._model, self._segment = model, segment
        self._tokens: list[int] = []
        self._is_over = False
        self._number = self._start = self._given = 0
        self._is_closed = False

    @property
    def num_waiting(self) -> int:
        """Those behind the window."""
        return max(0, len(self._tokens) - self._end)

    @property
    def _end(self) -> int:
        return self._start + WINDOW

    def feed(self, tokens: Sequence[int], *, is_last: bool) -> None:
        """Add letters."""
        self._tokens += tokens
        self._is_over = is_last

    def start(self, ended: Generated | None) -> Request | None:
        """The next row, with the last letters and steps of the one before."""
        opening = self._model.marks[2:]
        if ended is not None:
            if len(self._tokens) <= self._end:
                return None
            self._number, self._start = self._number + 1, self._end - CARRIED_TOKENS
            carried = ended.codes[-CARRIED_STEPS:]
            opening = torch.cat((opening, self._model.net.embed(carried)))
        self._given, self._is_closed = self._start, False
        part = self.more()
        letters = [] if part.embeddings is None else [part.embeddings]
        return Request(
            0,
            torch.cat((self._model.marks[:1], *letters)),
            segment_seed(self._segment.seed, self._segment.index, f"speak{self._number}", self._segment.attempt),
            self._model.drawing,
            opening=opening,
            is_whole=part.is_last,
        )

    def more(self) -> PromptPart:
        """Letters of the window; with the last one the mark behind them."""
        end = min(len(self._tokens), self._end)
        found = [self._model.letters[self._tokens[self._given : end]]]
        self._given = end
        if not self._is_closed and (self._is_over or len(self._tokens) > self._end):
            self._is_closed = True
            found.append(self._model.marks[1:2])
        return PromptPart(torch.cat(found), is_last=self._is_closed)
