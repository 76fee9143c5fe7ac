"""The sizes of a ChatTTS checkpoint, and from them every file, tensor name and shape that it must hold.

Guarantees that `tensors(FULL)` is the published checkpoint to the last tensor. Reads no file and knows nothing of
values, text or audio. Names and shapes are those of https://huggingface.co/2Noise/ChatTTS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ....engine.step_settings import StepTiming

TensorShape = tuple[int, ...]
Part = Literal["gpt", "embed", "dvae", "decoder", "vocos"]

CONFIG_FILE = "asset/gpt/config.json"
TOKENIZER_FILE = "asset/tokenizer/tokenizer.json"
STATISTICS_FILE = "asset/spk_stat.pt"
"""Of speakers; a folder need not have it."""
PART_FILES: Mapping[Part, str] = {
    "gpt": "asset/gpt/model.safetensors",
    "embed": "asset/Embed.safetensors",
    "dvae": "asset/DVAE.safetensors",
    "decoder": "asset/Decoder.safetensors",
    "vocos": "asset/Vocos.safetensors",
}

SPECIAL_TOKENS = (
    *("[Sasr]", "[Pasr]", "[Easr]", "[Stts]", "[Ptts]", "[Etts]", "[Sbreak]", "[Pbreak]", "[Ebreak]"),
    *("[uv_break]", "[v_break]", "[lbreak]", "[llbreak]", "[undefine]", "[laugh]"),
    *("[spk_emb]", "[empty_spk]", "[music]", "[pure]"),
    *(f"[break_{level}]" for level in range(8)),
    *(f"[laugh_{level}]" for level in range(3)),
    *(f"[oral_{level}]" for level in range(10)),
    *(f"[speed_{level}]" for level in range(10)),
)
PAD_ID = 0
UNKNOWN_ID = 100
EOS_CODE = 625  # the last code of every codebook

SAMPLE_RATE = 24_000
RMS_NORM_EPS = 1e-6
ROPE_THETA = 10_000.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Everything that a shape depends on; the defaults are the published checkpoint.

    *_hidden, *_bottleneck, *_blocks width, inner width of the entry, and length of a ConvNeXt stack

    Attributes:
        hidden, ffn, num_layers, num_heads: The language model; as many key-value heads as heads
        max_positions: Positions that it was trained for
        text_vocab: Text tokens; the last 50 are `SPECIAL_TOKENS`
        unused_vocab: Rows of the gpt file's own embedding, which nothing reads
        fsq_levels, fsq_digits: A code is `fsq_digits` digits to the base `fsq_levels`
        vq_groups, vq_residuals: Groups of channels, and codes per group
        dvae_dim: Channels that are quantised, all groups together
        n_mels, n_fft, hop: Bands, and window and hop in samples at 24 kHz
    """

    hidden: int = 768
    ffn: int = 3072
    num_layers: int = 20
    num_heads: int = 12
    max_positions: int = 4096
    text_vocab: int = 21178
    unused_vocab: int = 32000
    fsq_levels: int = 5
    fsq_digits: int = 4
    vq_groups: int = 2
    vq_residuals: int = 2
    dvae_dim: int = 1024
    dvae_hidden: int = 256
    dvae_bottleneck: int = 128
    dvae_blocks: int = 12
    decoder_hidden: int = 512
    decoder_bottleneck: int = 128
    decoder_blocks: int = 12
    vocos_hidden: int = 512
    vocos_ffn: int = 1536
    vocos_blocks: int = 8
    n_mels: int = 100
    n_fft: int = 1024
    hop: int = 256

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.hidden // self.num_heads

    @property
    def num_vq(self) -> int:
        """Codes of one step; code `vq` is residual `vq % vq_residuals` of group `vq // vq_residuals`."""
        return self.vq_groups * self.vq_residuals

    @property
    def audio_vocab(self) -> int:
        """Entries of one codebook: every code, then end-of-speech."""
        return self.fsq_levels**self.fsq_digits + 1

    @property
    def first_special(self) -> int:
        """Id of the first of `SPECIAL_TOKENS`."""
        return self.text_vocab - len(SPECIAL_TOKENS)

    @property
    def group_dim(self) -> int:
        """Channels of one group of the quantiser."""
        return self.dvae_dim // self.vq_groups

    @property
    def dvae_frame_dim(self) -> int:
        """Channels of a mel frame in the DVAE: a step's channels are two frames side by side."""
        return self.dvae_dim // 2

    @property
    def decoder_frame_dim(self) -> int:
        """Channels of a mel frame in the hidden decoder: a step's hidden state is two frames side by side."""
        return self.hidden // 2

    @property
    def num_bins(self) -> int:
        """Frequencies of the spectrum."""
        return self.n_fft // 2 + 1

    @property
    def step_samples(self) -> int:
        """Samples that one step adds: two frames."""
        return 2 * self.hop

    @property
    def timing(self) -> StepTiming:
        """Samples of steps: the last frame of a row, half of its last step, has none."""
        return StepTiming(self.step_samples, self.hop, SAMPLE_RATE)


FULL = Sizes()
TINY = Sizes(
    hidden=32,
    ffn=64,
    num_layers=2,
    num_heads=2,
    text_vocab=512,
    unused_vocab=8,
    dvae_dim=32,
    dvae_hidden=16,
    dvae_bottleneck=8,
    dvae_blocks=2,
    decoder_hidden=16,
    decoder_bottleneck=8,
    decoder_blocks=2,
    vocos_hidden=16,
    vocos_ffn=48,
    vocos_blocks=2,
)
"""The same structure, hop and codebooks; speaks in milliseconds on one core."""


def token_id(name: str, sizes: Sizes) -> int:
    """The id of a special token such as "[Stts]".

    Raises:
        ValueError: If there is none of that name
    """
    if name not in SPECIAL_TOKENS:
        raise ValueError(f'"{name}" is not a special token of ChatTTS')
    return sizes.first_special + SPECIAL_TOKENS.index(name)


def tensors(sizes: Sizes) -> Mapping[str, Mapping[str, TensorShape]]:
    """File → tensor name → shape, of all five weight files; every tensor is float32."""
    builders = {"gpt": _gpt, "embed": _embed, "dvae": _dvae, "decoder": _decoder, "vocos": _vocos}
    return {PART_FILES[part]: dict(builders[part](sizes)) for part in PART_FILES}


Entries = Iterator[tuple[str, TensorShape]]


def _gpt(sizes: Sizes) -> Entries:
    hidden, ffn = sizes.hidden, sizes.ffn
    yield "embed_tokens.weight", (sizes.unused_vocab, hidden)
    yield "norm.weight", (hidden,)
    for layer in range(sizes.num_layers):
        prefix = f"layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            yield f"{prefix}.self_attn.{name}.weight", (hidden, hidden)
        yield f"{prefix}.mlp.gate_proj.weight", (ffn, hidden)
        yield f"{prefix}.mlp.up_proj.weight", (ffn, hidden)
        yield f"{prefix}.mlp.down_proj.weight", (hidden, ffn)
        yield f"{prefix}.input_layernorm.weight", (hidden,)
        yield f"{prefix}.post_attention_layernorm.weight", (hidden,)


def _embed(sizes: Sizes) -> Entries:
    yield "emb_text.weight", (sizes.text_vocab, sizes.hidden)
    yield from _normed("head_text", sizes.text_vocab, sizes.hidden)
    for vq in range(sizes.num_vq):
        yield f"emb_code.{vq}.weight", (sizes.audio_vocab, sizes.hidden)
        yield from _normed(f"head_code.{vq}", sizes.audio_vocab, sizes.hidden)


def _normed(prefix: str, rows: int, columns: int) -> Entries:
    # torch.nn.utils.parametrizations.weight_norm: length of every row, then its direction
    yield f"{prefix}.parametrizations.weight.original0", (rows, 1)
    yield f"{prefix}.parametrizations.weight.original1", (rows, columns)


def _dvae(sizes: Sizes) -> Entries:
    frame, mels = sizes.dvae_frame_dim, sizes.n_mels
    yield "coef", (1, mels, 1)
    yield from _biased("downsample_conv.0", (frame, mels, 3))
    yield from _biased("downsample_conv.2", (frame, frame, 4))
    yield from _mel("preprocessor_mel", sizes)
    width = (sizes.dvae_bottleneck, sizes.dvae_hidden, sizes.dvae_blocks)
    yield from _stack("encoder", frame, sizes.dvae_dim, *width)
    yield from _stack("decoder", frame, frame, *width)
    yield "out_conv.weight", (mels, frame, 3)
    for group in range(sizes.vq_groups):
        prefix = f"vq_layer.quantizer.rvqs.{group}"
        yield from _biased(f"{prefix}.project_in", (sizes.fsq_digits, sizes.group_dim))
        yield from _biased(f"{prefix}.project_out", (sizes.group_dim, sizes.fsq_digits))


def _decoder(sizes: Sizes) -> Entries:
    frame = sizes.decoder_frame_dim
    yield "coef", (1, sizes.n_mels, 1)
    width = (sizes.decoder_bottleneck, sizes.decoder_hidden, sizes.decoder_blocks)
    yield from _stack("decoder", frame, frame, *width)
    yield "out_conv.weight", (sizes.n_mels, frame, 3)


def _vocos(sizes: Sizes) -> Entries:
    hidden = sizes.vocos_hidden
    yield from _mel("feature_extractor", sizes)
    yield from _biased("backbone.embed", (hidden, sizes.n_mels, 7))
    yield from _biased("backbone.norm", (hidden,))
    for block in range(sizes.vocos_blocks):
        yield f"backbone.convnext.{block}.gamma", (hidden,)
        yield from _block(f"backbone.convnext.{block}", hidden, sizes.vocos_ffn)
    yield from _biased("backbone.final_layer_norm", (hidden,))
    yield from _biased("head.out", (sizes.n_fft + 2, hidden))  # magnitude and phase of each bin
    yield "head.istft.window", (sizes.n_fft,)


def _stack(prefix: str, in_dim: int, out_dim: int, bottleneck: int, hidden: int, blocks: int) -> Entries:
    yield from _biased(f"{prefix}.conv_in.0", (bottleneck, in_dim, 3))
    yield from _biased(f"{prefix}.conv_in.2", (hidden, bottleneck, 3))
    for block in range(blocks):
        yield f"{prefix}.decoder_block.{block}.weight", (hidden,)  # layer scale
        yield from _block(f"{prefix}.decoder_block.{block}", hidden, 4 * hidden)
    yield f"{prefix}.conv_out.weight", (out_dim, hidden, 1)


def _block(prefix: str, hidden: int, ffn: int) -> Entries:
    yield from _biased(f"{prefix}.dwconv", (hidden, 1, 7))
    yield from _biased(f"{prefix}.norm", (hidden,))
    yield from _biased(f"{prefix}.pwconv1", (ffn, hidden))
    yield from _biased(f"{prefix}.pwconv2", (hidden, ffn))


def _mel(prefix: str, sizes: Sizes) -> Entries:
    yield f"{prefix}.mel_spec.spectrogram.window", (sizes.n_fft,)
    yield f"{prefix}.mel_spec.mel_scale.fb", (sizes.num_bins, sizes.n_mels)


def _biased(prefix: str, shape: TensorShape) -> Entries:
    yield f"{prefix}.weight", shape
    yield f"{prefix}.bias", shape[:1]
