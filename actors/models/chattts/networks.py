"""The networks of ChatTTS on one device: what a row begins with, what is stepped, and what steps sound like.

Guarantees that a prompt and a waveform come from one row alone. Knows neither text nor voices' names, and not how rows
are drawn: that is the engine's (`engine.step_synthesis`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ...engine.step.shape import looks_at_all
from ...engine.step_settings import StepSettings, Task
from .checkpoint.layout import SAMPLE_RATE, token_id
from .checkpoint.weights import Checkpoint
from .nets.acoustic import Dvae, HiddenDecoder
from .nets.backbone import Backbone, CodeNetwork, TextNetwork
from .nets.mel import MelSpectrogram
from .nets.vocos import Vocos
from .options import Options
from .synthesis import MelDecoder, decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...records.reference import Reference

_ADVICE = (
    "try another seed or a shorter text, raise model.options.max_steps, or keep such rows (model.options.incomplete: "
    "keep)"
)


class ChatttsNetworks:
    """Weights on a device.

    Attributes:
        settings: What the engine has to know of them
    """

    def __init__(self, checkpoint: Checkpoint, device: str, dtype: str, options: Options) -> None:
        self._sizes, self._device = checkpoint.sizes, torch.device(device)
        self._checkpoint = checkpoint
        self._kept_encoder: tuple[MelSpectrogram, Dvae] | None = None
        self._encoding = threading.Lock()
        number_format = cast("torch.dtype", getattr(torch, dtype))
        self.settings = StepSettings(
            name="chattts",
            device=device,
            timing=checkpoint.sizes.timing,
            decodes="hiddens" if options.decoder == "hidden" else "codes",
            decode_step_bytes=96 * 1024 * number_format.itemsize // 4,
            streaming=options.streaming,
            is_deterministic=options.deterministic,
            keeps_incomplete=options.incomplete == "keep",
            looks_at_all=looks_at_all(preset.sampling for preset in options.presets),
            advice=_ADVICE,
            facts={"sizes": asdict(checkpoint.sizes), "compile": options.compile},
        )
        embed = checkpoint.load("embed", device, number_format)
        gpt = checkpoint.load("gpt", device, number_format)
        backbone = _compiled() if options.compile else Backbone
        self._backbone = backbone(checkpoint.sizes, gpt, embed, is_exact=options.deterministic)
        self._networks: dict[Task, CodeNetwork | TextNetwork] = {
            "speak": CodeNetwork(self._backbone, embed),
            "refine": TextNetwork(self._backbone, embed, token_id("[Ebreak]", checkpoint.sizes)),
        }
        self._vocos = Vocos(checkpoint.sizes, checkpoint.load("vocos", device, number_format))
        self._mel_decoder: MelDecoder
        if options.decoder == "hidden":
            self._mel_decoder = HiddenDecoder(checkpoint.sizes, checkpoint.load("decoder", device, number_format))
        else:
            self._mel_decoder = Dvae(checkpoint.sizes, checkpoint.load("dvae", device, number_format))

    def network(self, task: Task) -> CodeNetwork | TextNetwork:
        """What is stepped: four codebooks of audio, or one of text."""
        return self._networks[task]

    def prompt(
        self,
        tokens: Sequence[int],
        speaker: NDArray[np.float16] | None = None,
        sample: NDArray[np.uint16] | None = None,
    ) -> Tensor:
        """What a row begins with: embeddings float [length, hidden].

        Args:
            tokens: Of the text, framed.
            speaker: float16 [hidden], put in its place among the tokens; None where the voice is the sample's, or any.
            sample: Codes of speech in the voice, uint16 [num_vq, steps], which the row continues.
        """
        ids = torch.tensor(tokens, device=self._device)
        prompt = self._backbone.embed_text(ids)
        if speaker is not None:
            # Normalised in float16 on the CPU, as ChatTTS does, so that it is the same vector on every device.
            voice = F.normalize(torch.from_numpy(speaker.copy()), dim=0, eps=1e-12)
            is_voice = ids == token_id("[spk_emb]", self._sizes)
            prompt = torch.where(is_voice[:, None], voice.to(prompt), prompt)
        if sample is not None:
            codes = torch.from_numpy(sample.astype("int64")).to(self._device)
            prompt = torch.cat((prompt, self._backbone.embed_codes(codes.T)))
        return prompt

    def decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Waveforms float32 [batch, samples] of steps; see `synthesis.decode`."""
        return decode(steps, lengths, self._mel_decoder, self._vocos)

    def read_sample(self, file: str) -> NDArray[np.uint16]:
        """Codes uint16 [num_vq, steps] of a recording of any format, rate and channels that libsndfile reads.

        Raises:
            ModelError: If it cannot be read
            RowRejected: If it is too short
        """
        from .voices.recording import read_recording

        return self._codes(self._encoder(), read_recording(Path(file), SAMPLE_RATE))

    def codes_of(self, reference: Reference) -> NDArray[np.uint16]:
        """Codes uint16 [num_vq, steps] of a recording; the networks for it stay loaded from the first one on.

        Raises:
            RowRejected: If it is too short
        """
        from .voices.recording import resampled

        with self._encoding:
            self._kept_encoder = self._kept_encoder or self._encoder()
        return self._codes(self._kept_encoder, resampled(reference.samples, reference.sample_rate, SAMPLE_RATE))

    def _encoder(self) -> tuple[MelSpectrogram, Dvae]:
        state = self._checkpoint.load("dvae", self._device, torch.float32)
        with torch.inference_mode():
            return MelSpectrogram(self._sizes, state), Dvae(self._sizes, state)

    def _codes(self, encoder: tuple[MelSpectrogram, Dvae], samples: NDArray[np.float32]) -> NDArray[np.uint16]:
        spectrogram, dvae = encoder
        wave = torch.from_numpy(samples).to(self._device)[None]
        with torch.inference_mode():
            mel, frames = spectrogram(wave, torch.tensor([wave.shape[1]]))
            codes = dvae.encode(mel, frames)[0]
        return codes.cpu().numpy().astype("uint16")


def _compiled() -> type[Backbone]:
    # Only here: it imports the compiler, which takes seconds.
    from .nets.compiled import CompiledBackbone

    return CompiledBackbone
