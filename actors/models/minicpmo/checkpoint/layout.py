"""The sizes of the speech part of a MiniCPM-o 2.6 checkpoint, and from them the tensors that are read. Pure.

The language model, the DVAE and the vocoder have the shapes of ChatTTS's (`chattts.checkpoint.layout`); what is new is
the projector, which makes a speaker of a hidden state of the large language model. Names and shapes are those of
https://huggingface.co/openbmb/MiniCPM-o-2_6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ....engine.step_settings import StepTiming
from ...chattts.checkpoint import layout as chattts
from ...chattts.checkpoint.layout import PART_FILES, SAMPLE_RATE, Sizes, TensorShape
from ..text_schedule import TextSchedule

CONFIG_FILE = "config.json"
INDEX_FILE = "model.safetensors.index.json"
VOCOS_FILE = "assets/Vocos.pt"
TOKENIZER_FILE = "assets/chattts_tokenizer/tokenizer.json"
PREFIX = "tts."
"""Tensors of the checkpoint that are for speech."""

SpeechPart = Literal["model", "embed", "projector", "dvae"]
_UNREAD = ("embed_tokens.", "head_text.", "encoder.", "downsample_conv.", "preprocessor_mel.")


@dataclass(frozen=True, slots=True)
class MinicpmoSizes:
    """Everything that a shape depends on; the defaults are the published checkpoint.

    Attributes:
        network: Language model, DVAE and vocoder; the decoder of hidden states is not there
        llm_dim: Width of the hidden states that speakers are made of
        schedule: The region of text and its visibility
    """

    network: Sizes = field(default_factory=Sizes)
    llm_dim: int = 3584
    schedule: TextSchedule = field(default_factory=TextSchedule)

    @property
    def timing(self) -> StepTiming:
        """Samples of steps: every frame has a hop of samples, the last one too."""
        return StepTiming(self.network.step_samples, 0, SAMPLE_RATE)


FULL = MinicpmoSizes()
TINY = MinicpmoSizes(replace(chattts.TINY, text_vocab=640), llm_dim=48)
"""The same structure and the same region; speaks in milliseconds on one core."""


def tensors(sizes: MinicpmoSizes) -> Mapping[SpeechPart, Mapping[str, TensorShape]]:
    """Part → tensor name → shape. Names are those of `names` without what comes before them in the checkpoint."""
    network = chattts.tensors(sizes.network)
    return {
        "model": _read(network[PART_FILES["gpt"]]),
        "embed": _read(network[PART_FILES["embed"]]),
        "projector": dict(_projector(sizes)),
        "dvae": _read(network[PART_FILES["dvae"]]),
    }


def vocos_tensors(sizes: MinicpmoSizes) -> Mapping[str, TensorShape]:
    """Tensor name → shape, of the vocoder's file."""
    return chattts.tensors(sizes.network)[PART_FILES["vocos"]]


def names(part: SpeechPart, name: str) -> tuple[str, ...]:
    """What a tensor may be called in the checkpoint; the published name first.

    Weight norm is spelled in two ways, by the release of torch that saved it. The scale of a block is "coef" in the
    published class, and "weight" in ChatTTS's.
    """
    full = f"{PREFIX}{name}" if part == "embed" else f"{PREFIX}{part}.{name}"
    stem, _, last = full.rpartition(".parametrizations.weight.")
    if stem:
        return full, f"{stem}.weight_{'g' if last == 'original0' else 'v'}"
    if part == "dvae" and is_block_scale(name):
        return f"{full.removesuffix('weight')}coef", full
    return (full,)


def is_block_scale(name: str) -> bool:
    """Whether a tensor of the DVAE is the scale of a ConvNeXt block: "decoder.decoder_block.3.weight"."""
    return name.startswith("decoder.decoder_block.") and name.count(".") == 3


def _read(shapes: Mapping[str, TensorShape]) -> Mapping[str, TensorShape]:
    return {name: shape for name, shape in shapes.items() if not name.startswith(_UNREAD)}


def _projector(sizes: MinicpmoSizes) -> Iterator[tuple[str, TensorShape]]:
    hidden = sizes.network.hidden
    for number, width in ((1, sizes.llm_dim), (2, hidden)):
        yield f"linear{number}.weight", (hidden, width)
        yield f"linear{number}.bias", (hidden,)
