"""A model that speaks step by step: a small network with random weights hums a text, in slots and in streams.

python examples/own_stepwise.py [OUTPUT]
PYTHONPATH=examples speechmill run job.yaml --set model.name=own_stepwise:Hum
PYTHONPATH=examples speechmill check-model own_stepwise:Hum
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import speechmill
from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.request import Sampling
from speechmill.actors.engine.step_settings import StepSettings, StepTiming, Task
from speechmill.actors.engine.stepwise_model import StepwiseModel
from speechmill.errors import ModelError

VOICES = ("low", "high")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PITCHES, END, HIDDEN = 24, 24, 32
TIMING = StepTiming(step_samples=160, short_samples=0, sample_rate=16_000)
MAX_TOKENS, STEPS_PER_TOKEN = 200, 6


class HumNetwork:
    """One layer of attention over letters and pitches: what the engine steps."""

    num_codebooks, vocabulary, end = 1, PITCHES + 1, END
    hidden, dtype = HIDDEN, torch.float32
    position_bytes = Cache.bytes_per_position(layers=1, heads=1, head_size=HIDDEN, dtype=torch.float32)

    def __init__(self, device: torch.device) -> None:
        chance = torch.Generator().manual_seed(0)

        def weights(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=chance).to(device)

        self.device = device
        self.voices, self.letters = weights(len(VOICES), HIDDEN), weights(len(LETTERS), HIDDEN)
        self.pitches, self.head = weights(PITCHES + 1, HIDDEN), weights(PITCHES + 1, HIDDEN)
        self.attention = weights(HIDDEN, 3 * HIDDEN) * HIDDEN**-0.5
        self.places = weights(MAX_TOKENS * (STEPS_PER_TOKEN + 1) + 1, HIDDEN)

    def cache(self, slots: int, positions: int) -> Cache:
        """Room for the keys and values of this many rows."""
        return Cache(1, slots, 1, positions, HIDDEN, torch.float32, self.device)

    def embed(self, codes: Tensor) -> Tensor:
        """Pitches int64 [rows, 1] as input: float [rows, hidden]."""
        return self.pitches[codes[:, 0]]

    def hiddens(self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int) -> Tensor:
        """Hidden states of inputs [rows, time, hidden] in the slots from `first` on; a row sees its own past alone."""
        rows, time, _ = x.shape
        # Padding behind a short prompt may point beyond the slot; its place is written again before it is read.
        at = (starts[:, None] + torch.arange(time, device=x.device)).clamp(max=cache.positions - 1)
        query, key, value = ((x + self.places[at]) @ self.attention)[:, None].chunk(3, -1)  # [rows, 1 head, time, size]
        cache.put(0, first, at, key, value)
        keys, values = cache.view(0, first, rows, reach)
        is_seen = torch.arange(reach, device=x.device) <= at[:, None, :, None]
        return x + F.scaled_dot_product_attention(query, keys, values, attn_mask=is_seen)[:, 0]

    def logits(self, hidden: Tensor) -> Tensor:
        """Float [rows, 1 codebook, vocabulary]."""
        return (hidden @ self.head.T)[:, None]


class Hum(StepwiseModel):
    """Some pitches for every letter."""

    @classmethod
    def describe(cls, config: speechmill.ModelConfig) -> speechmill.ModelInfo:
        """The model under this configuration.

        Raises:
            ModelError: For what it does not have
        """
        for name in config.options:
            raise ModelError(f"model.options.{name} is not an option of Hum; it has none")
        if config.backend not in ("auto", "torch"):
            raise ModelError(f'model.backend "{config.backend}" does not exist for Hum; leave it at "auto"')
        voice = config.voice or "low"
        if voice not in VOICES:
            raise ModelError(f'model.voice "{voice}" is not a voice of Hum: {", ".join(VOICES)}')
        return speechmill.ModelInfo(
            name="hum",
            revision="1",
            backend="torch",
            sample_rate=TIMING.sample_rate,
            voices=VOICES,
            default_voice=voice,
            max_length=MAX_TOKENS,
            split_chars=MAX_TOKENS,
            batch_limit=speechmill.BatchLimit(max_rows=32, max_cells=32 * MAX_TOKENS),
            base_s=0.001,
            char_s=0.001,
            audio_char_s=0.04,
            speeds=(1.0, 1.0),
        )

    def __init__(self, config: speechmill.ModelConfig) -> None:
        self.info = self.describe(config)
        self._device = config.device
        self._network = HumNetwork(torch.device(config.device))

    @property
    def settings(self) -> StepSettings:
        """How steps become samples, and that a row without an end is kept: it is as long as its text."""
        return StepSettings("hum", self._device, TIMING, decode_step_bytes=4 * 1024, keeps_incomplete=True)

    def prepare(self, text: str, voice: str) -> speechmill.Prepared:
        """A token for each letter."""
        return speechmill.Prepared.of(LETTERS.index(letter) for letter in text.lower() if letter in LETTERS)

    def positions(self) -> dict[Task, int]:
        """The voice, the letters, and the steps of the longest text."""
        return {"speak": 1 + MAX_TOKENS * (STEPS_PER_TOKEN + 1)}

    def network(self, task: Task) -> HumNetwork:
        """The same one for all rows."""
        return self._network

    def prompt(self, segment: speechmill.Segment, task: Task) -> Tensor:
        """The voice, then the letters."""
        voice = VOICES.index(segment.voice or self.info.default_voice)
        return torch.cat((self._network.voices[voice : voice + 1], self._network.letters[list(segment.tokens)]))

    def sampling(self, segment: speechmill.Segment, task: Task) -> Sampling:
        """Three to six steps for each letter."""
        count = len(segment.tokens)
        return Sampling((2.0,), top_p=0.9, top_k=12, min_steps=3 * count, max_steps=STEPS_PER_TOKEN * count)

    def decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """A whole number of waves for each pitch: int64 [batch, 1, steps] to float32 [batch, samples]."""
        at = torch.arange(TIMING.step_samples, device=steps.device) / TIMING.step_samples
        waves = torch.sin(2 * torch.pi * (steps[:, 0, :, None] + 1) * at)  # [batch, steps, samples of a step]
        return 0.3 * waves.flatten(1)


def main(output: str) -> None:
    """Hum two rows with two voices, side by side."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.csv"
    corpus.write_text("text,voice,seed\nthe first row,low,1\nthe second,high,2\n", encoding="utf-8")
    result = speechmill.Job(
        input={"uri": str(corpus)}, model={"name": "own_stepwise:Hum"}, output={"uri": str(folder / "hum")}
    ).run()
    print(f"{result.num_ok} rows, {result.audio_s:.2f} s of audio in {result.output}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [tempfile.mkdtemp()]))
