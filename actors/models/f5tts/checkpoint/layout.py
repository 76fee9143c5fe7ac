"""The sizes of an F5-TTS checkpoint, and from them every tensor name and shape that it must hold. Pure.

Guarantees that `network_tensors(FULL)` and `vocoder_tensors(FULL_VOCODER)` are the published files to the last tensor.
Names and shapes are those of https://huggingface.co/SWivid/F5-TTS (v1 base) and
https://huggingface.co/charactr/vocos-mel-24khz.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...chattts.checkpoint.layout import Sizes as VocoderSizes

TensorShape = tuple[int, ...]
Entries = Iterator[tuple[str, TensorShape]]

PREFIX = "ema_model."
"""Before every name in the published file: they are averages over the training."""
POSITION_KERNEL = 31
TEXT_KERNEL = 7
NUM_GROUPS = 16
"""Of the convolutions over frames."""


@dataclass(frozen=True, slots=True)
class F5Sizes:
    """Everything that a shape depends on; the defaults are the published checkpoint.

    Attributes:
        hidden, ffn, num_layers, head_dim: The transformer over frames; hidden / head_dim heads
        vocab: Text tokens, without the filler before them
        text_hidden, text_ffn, text_blocks: The convolutions over text
        time_dim: Numbers that a time is spelled with
        n_mels: Bands of a frame
    """

    hidden: int = 1024
    ffn: int = 2048
    num_layers: int = 22
    head_dim: int = 64
    vocab: int = 2545
    text_hidden: int = 512
    text_ffn: int = 1024
    text_blocks: int = 4
    time_dim: int = 256
    n_mels: int = 100

    @property
    def num_heads(self) -> int:
        """Of attention."""
        return self.hidden // self.head_dim

    @property
    def frame_multiplications(self) -> int:
        """Multiplications that one frame takes in one step of one branch, attention over other frames apart."""
        layer = 4 * self.hidden**2 + 2 * self.hidden * self.ffn
        position = 2 * self.hidden * (self.hidden // NUM_GROUPS) * POSITION_KERNEL
        return self.num_layers * layer + position + 2 * self.n_mels * self.hidden


FULL = F5Sizes()
TINY = F5Sizes(64, 96, 2, 16, 160, 32, 64, 2)
"""The same structure; speaks in milliseconds on one core."""
FULL_VOCODER = VocoderSizes()
TINY_VOCODER = VocoderSizes(vocos_hidden=16, vocos_ffn=48, vocos_blocks=2)


def network_tensors(sizes: F5Sizes) -> Mapping[str, TensorShape]:
    """Tensor name → shape of the network, without `PREFIX`."""
    return dict(_network(sizes))


def vocoder_tensors(sizes: VocoderSizes) -> Mapping[str, TensorShape]:
    """Tensor name → shape of the vocoder."""
    return dict(_vocoder(sizes))


def _network(sizes: F5Sizes) -> Entries:
    hidden = sizes.hidden
    yield from _biased("transformer.time_embed.time_mlp.0", (hidden, sizes.time_dim))
    yield from _biased("transformer.time_embed.time_mlp.2", (hidden, hidden))
    yield "transformer.text_embed.text_embed.weight", (sizes.vocab + 1, sizes.text_hidden)
    for block in range(sizes.text_blocks):
        prefix = f"transformer.text_embed.text_blocks.{block}"
        yield from _biased(f"{prefix}.dwconv", (sizes.text_hidden, 1, TEXT_KERNEL))
        yield from _biased(f"{prefix}.norm", (sizes.text_hidden,))
        yield from _biased(f"{prefix}.pwconv1", (sizes.text_ffn, sizes.text_hidden))
        yield f"{prefix}.grn.gamma", (1, 1, sizes.text_ffn)
        yield f"{prefix}.grn.beta", (1, 1, sizes.text_ffn)
        yield from _biased(f"{prefix}.pwconv2", (sizes.text_hidden, sizes.text_ffn))
    yield from _biased("transformer.input_embed.proj", (hidden, 2 * sizes.n_mels + sizes.text_hidden))
    for conv in (0, 2):
        shape = (hidden, hidden // NUM_GROUPS, POSITION_KERNEL)
        yield from _biased(f"transformer.input_embed.conv_pos_embed.conv1d.{conv}", shape)
    yield "transformer.rotary_embed.inv_freq", (sizes.head_dim // 2,)
    for layer in range(sizes.num_layers):
        prefix = f"transformer.transformer_blocks.{layer}"
        yield from _biased(f"{prefix}.attn_norm.linear", (6 * hidden, hidden))
        for name in ("to_q", "to_k", "to_v", "to_out.0"):
            yield from _biased(f"{prefix}.attn.{name}", (hidden, hidden))
        yield from _biased(f"{prefix}.ff.ff.0.0", (sizes.ffn, hidden))
        yield from _biased(f"{prefix}.ff.ff.2", (hidden, sizes.ffn))
    yield from _biased("transformer.norm_out.linear", (2 * hidden, hidden))
    yield from _biased("transformer.proj_out", (sizes.n_mels, hidden))


def _vocoder(sizes: VocoderSizes) -> Entries:
    hidden = sizes.vocos_hidden
    yield "feature_extractor.mel_spec.spectrogram.window", (sizes.n_fft,)
    yield "feature_extractor.mel_spec.mel_scale.fb", (sizes.num_bins, sizes.n_mels)
    yield from _biased("backbone.embed", (hidden, sizes.n_mels, 7))
    yield from _biased("backbone.norm", (hidden,))
    for block in range(sizes.vocos_blocks):
        prefix = f"backbone.convnext.{block}"
        yield f"{prefix}.gamma", (hidden,)
        yield from _biased(f"{prefix}.dwconv", (hidden, 1, 7))
        yield from _biased(f"{prefix}.norm", (hidden,))
        yield from _biased(f"{prefix}.pwconv1", (sizes.vocos_ffn, hidden))
        yield from _biased(f"{prefix}.pwconv2", (hidden, sizes.vocos_ffn))
    yield from _biased("backbone.final_layer_norm", (hidden,))
    yield from _biased("head.out", (sizes.n_fft + 2, hidden))
    yield "head.istft.window", (sizes.n_fft,)


def _biased(prefix: str, shape: TensorShape) -> Entries:
    yield f"{prefix}.weight", shape
    yield f"{prefix}.bias", shape[:1]
