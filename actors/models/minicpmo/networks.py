"""The networks of MiniCPM-o's speech on one device: prompts, what is stepped, and the sound of codes.

Guaranteed: a prompt and a waveform come from one row alone, and a step's samples depend on a bounded number of steps to
either side. Not known here: texts, names of voices, and how rows are drawn (`engine.step_synthesis`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ...engine.cache import Cache
from ...engine.network import Attended
from ...engine.region import Region
from ...engine.step.shape import looks_at_all
from ...engine.step_settings import StepSettings
from ..chattts.checkpoint.layout import token_id
from ..chattts.nets.acoustic import CodeDecoder
from ..chattts.nets.backbone import Backbone, CodeNetwork, StateDict, places
from ..chattts.nets.vocos import Vocos
from .checkpoint.weights import MinicpmoCheckpoint
from .options import MinicpmoOptions
from .text_schedule import TextSchedule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ADVICE = (
    "try another seed or a shorter text, raise model.options.max_steps, or keep such rows (model.options.incomplete: "
    "keep)"
)
_NUM_HIDDEN = 1
"""[Ptts] is looked at by no input, not even by itself."""


class ConditionedNetwork(CodeNetwork):
    """The language model, whose audio looks at a part of the text: see `text_schedule`."""

    def __init__(self, backbone: Backbone, embed: StateDict, schedule: TextSchedule) -> None:
        super().__init__(backbone, embed)
        self.region = Region(schedule.start, schedule.needs, _NUM_HIDDEN)

    def hiddens(
        self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int, seen: Tensor | None = None
    ) -> Tensor:
        """Hidden states, after the last norm; see `engine.network.RegionNetwork`."""
        at = places(starts, x.shape[1], cache)
        return self._backbone.states(x, cache, first, Attended.in_region(at, self.region, seen), reach)


class Projector:
    """Hidden states of the large language model to speakers: two linear maps with a ReLU between them."""

    def __init__(self, state: StateDict) -> None:
        self._state = state

    def speaker(self, vector: Tensor) -> Tensor:
        """A speaker of length 1, float32 [hidden].

        Args:
            vector: Float [llm_dim], the hidden state, or [hidden], what the projector has made of one
        """
        first, second = (self._state[f"linear{number}.weight"] for number in (1, 2))
        if len(vector) == first.shape[1]:
            inner = F.relu(F.linear(vector.to(first), first, self._state["linear1.bias"]))
            vector = F.linear(inner, second, self._state["linear2.bias"])
        return F.normalize(vector.to(torch.float32), dim=0)


class MinicpmoNetworks:
    """Weights on a device.

    Attributes:
        settings: What the engine has to know of them
        network: What is stepped: four codebooks at each step
    """

    def __init__(self, checkpoint: MinicpmoCheckpoint, device: str, dtype: str, options: MinicpmoOptions) -> None:
        self._device = torch.device(device)
        number_format = cast("torch.dtype", getattr(torch, dtype))
        sizes = checkpoint.sizes
        self.settings = StepSettings(
            name="minicpmo",
            device=device,
            timing=sizes.timing,
            decodes="codes",
            decode_step_bytes=96 * 1024,
            streaming=options.streaming,
            is_deterministic=options.deterministic,
            keeps_incomplete=options.incomplete == "keep",
            looks_at_all=looks_at_all([options.sampling]),
            advice=_ADVICE,
            facts={"sizes": asdict(sizes), "compile": options.compile},
        )
        embed = checkpoint.load("embed", device, number_format)
        backbone = _compiled() if options.compile else Backbone
        gpt = checkpoint.load("model", device, number_format)
        self._backbone = backbone(sizes.network, gpt, embed, is_exact=options.deterministic)
        self.network = ConditionedNetwork(self._backbone, embed, sizes.schedule)
        # On the CPU in float32, so that a stored vector is the same speaker on every device.
        self._projector = Projector(checkpoint.load("projector", "cpu", torch.float32))
        start, end, opening = (token_id(name, sizes.network) for name in ("[Stts]", "[Etts]", "[Ptts]"))
        self._start, self._end, self._opening = start, end, self._text([opening])
        network, vocos = checkpoint.load_vocos(device)
        self._vocos = Vocos(network, vocos, padding="same")
        # Both in float32, as upstream has the vocoder: codes become sound in a small part of the time.
        self._dvae = CodeDecoder(network, checkpoint.load("dvae", device, torch.float32))

    def head(self, vector: NDArray[np.float32]) -> Tensor:
        """What stands before the text: float [2, hidden] of a voice's vector."""
        speaker = self._projector.speaker(torch.from_numpy(vector))
        first = self._text([self._start])
        return torch.cat((first, speaker.to(first)[None]))

    def text(self, tokens: Sequence[int], *, is_last: bool) -> Tensor:
        """Embeddings float [length, hidden] of tokens; with the end of the text behind them if they are the last."""
        return self._text([*tokens, *([self._end] if is_last else [])])

    def opening(self, carried: Tensor | None = None) -> Tensor:
        """Inputs between text and audio: float [length, hidden].

        Args:
            carried: Codes int64 [steps, codebooks] that the row continues; None for none
        """
        if carried is None or not len(carried):
            return self._opening
        return torch.cat((self._opening, self._backbone.embed_codes(carried.to(self._device))))

    def decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Waveforms float32 [batch, steps * 512] at 24 kHz of codes int64 [batch, codebooks, steps].

        Raises:
            ValueError: For a length that is not within 1 to steps, or a code outside the codebook
        """
        return self._vocos.waveforms(self._dvae.decode(steps, lengths), 2 * lengths)

    @property
    def context_steps(self) -> int:
        """Steps to either side of a step that its samples depend on: 52 for the published sizes."""
        return -(-(self._dvae.context_frames + self._vocos.context_frames) // 2)

    def _text(self, ids: Sequence[int]) -> Tensor:
        return self._backbone.embed_text(torch.tensor(list(ids), dtype=torch.long, device=self._device))


def _compiled() -> type[Backbone]:
    # Only here: it imports the compiler, which takes seconds.
    from ..chattts.nets.compiled import CompiledBackbone

    return CompiledBackbone
