"""Whether a clip is in its voice: the cosine between its speaker embedding and the voice's mean, from a calibration.

The embedding is GE2E's (Wan et al. 2018, arXiv:1710.10467) with the published weights of resemblyzer, an LSTM over mel
spectra of 1.6 s, computed here without that package. It sees another voice, noise and clipping; it knows no words.
A voice that was not calibrated, and a clip with little speech, are unheard.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ModelError
from .base import Hearing, Judge, JudgeConfig, JudgeInfo, Limit, Verdict
from .levels import FRAME_S, Levels
from .limits import Limits, check_device, check_options, option_key, revision

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000
MIN_SPEECH_S = 1.6
"""Shorter speech says little of its speaker."""
MIN_CLIPS = 10
LIMITS = (
    Limit("cosine", "similarity to the voice", 0.8, is_lowest=True, strictest=0.95),
    Limit("part_cosine", "lowest similarity of 1.6 s to the voice", None, is_lowest=True, strictest=0.9),
)
_PARTIAL, _STEP = 160, 80
"""Frames of 10 ms in a piece, and between the beginnings of two."""
_NUM_MELS, _WINDOW, _HOP = 40, 400, 160
_LEVEL_DB = -30.0
_DIMENSIONS = 256


class Speaker(Judge):
    """Similarity of a clip's voice to that of the voice's calibrated clips."""

    limits = LIMITS

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        """The judge under these options: its limits, and `path` of the weights.

        Raises:
            ModelError: For an unknown option, a limit that is no number, missing weights, or a calibration without
                embeddings
        """
        check_device(config, "cpu", "cuda")
        check_options(config, LIMITS, path=str)
        _references(config)
        limits = Limits.of(LIMITS, config)
        digest = hashlib.sha256(_weights(config).read_bytes()).hexdigest()
        return JudgeInfo(
            name="speaker",
            revision=revision("speaker-1", config, config.device, digest),
            sample_rate=RATE,
            cost_s=0.014,
            thresholds=limits.values,
            rejects_below=limits.rejects_below,
        )

    @classmethod
    def learn(cls, config: JudgeConfig, clips: Sequence[Hearing]) -> Mapping[str, object]:
        """The mean embedding of each voice with enough clips, `voices` by name: 256 numbers."""
        encoder = _Encoder(_weights(config), config.device)
        found: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
        for clip in clips:
            if (partials := encoder.partials(clip)) is not None:
                found[clip.voice].append(_unit(partials.mean(axis=0)))
        means = {voice: _unit(np.mean(own, axis=0)) for voice, own in found.items() if len(own) >= MIN_CLIPS}
        return {"voices": {voice: [round(float(value), 5) for value in mean] for voice, mean in means.items()}}

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self._limits = Limits.of(LIMITS, config)
        self._voices = _references(config)
        self._encoder = _Encoder(_weights(config), config.device)

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        """A verdict for each clip, in order; each clip is a forward pass of its own."""
        return [self._verdict(clip) for clip in clips]

    def _verdict(self, clip: Hearing) -> Verdict:
        reference = self._voices.get(clip.voice)
        if reference is None:
            return Verdict(is_unheard=True, heard=f'the calibration has no voice "{clip.voice}"')
        partials = self._encoder.partials(clip)
        if partials is None:
            return Verdict(is_unheard=True, heard=f"less than {MIN_SPEECH_S} s of speech")
        # [num_partials, 256] @ [256] -> [num_partials]
        lowest = float((partials @ reference).min())
        scores = {
            "cosine": round(float(_unit(partials.mean(axis=0)) @ reference), 4),
            "part_cosine": round(lowest, 4),
        }
        return Verdict(self._limits.reasons(scores), scores)


class _Encoder:
    """Speech to embeddings of its pieces."""

    def __init__(self, weights: Path, device: str) -> None:
        import torch
        from torchaudio.functional import melscale_fbanks

        self._device = torch.device(device)
        self._lstm = torch.nn.LSTM(_NUM_MELS, _DIMENSIONS, 3, batch_first=True)
        self._linear = torch.nn.Linear(_DIMENSIONS, _DIMENSIONS)
        try:
            state: dict[str, Any] = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
            for name, module in (("lstm", self._lstm), ("linear", self._linear)):
                prefix = f"{name}."
                own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
                module.load_state_dict(own)
                module.to(self._device).eval()
        except Exception as error:  # whatever a file that is none makes torch raise
            raise ModelError(f"{weights} is no speaker encoder of resemblyzer: {error}") from error
        self._window = torch.hann_window(_WINDOW)
        # float32 [num_bins, num_mels]
        self._mels = melscale_fbanks(
            _WINDOW // 2 + 1, 0.0, RATE / 2, _NUM_MELS, RATE, norm="slaney", mel_scale="slaney"
        )

    def partials(self, clip: Hearing) -> NDArray[np.float32] | None:
        """Embeddings of length 1 of the clip's pieces of 1.6 s, float32 [num_partials, 256]; None for little speech."""
        import torch

        speech = _speech(clip)
        if len(speech) < MIN_SPEECH_S * RATE:
            return None
        with torch.inference_mode():
            spectrum = torch.stft(
                torch.from_numpy(speech), _WINDOW, _HOP, window=self._window, return_complex=True, pad_mode="constant"
            )
            # [num_bins, num_frames] -> [num_frames, num_mels]
            mels = spectrum.abs().square().T @ self._mels
            starts = list(range(0, max(1, len(mels) - _PARTIAL + 1), _STEP))
            pieces = torch.stack([mels[at : at + _PARTIAL] for at in starts]).to(self._device)
            _, (hidden, _) = self._lstm(pieces)
            raw = torch.relu(self._linear(hidden[-1]))
            # [num_partials, 256]
            return torch.nn.functional.normalize(raw, dim=1).cpu().numpy()


def _speech(clip: Hearing) -> NDArray[np.float32]:
    """The clip without its silences, at least as loud as the encoder expects: float32 [num_samples]."""
    is_active = Levels.of(clip.samples, clip.sample_rate).is_active
    size = round(FRAME_S * clip.sample_rate)
    # A frame beside an active one stays, too: words begin and end softly.
    kept = is_active | np.roll(is_active, 1) | np.roll(is_active, -1)
    speech = clip.samples[np.repeat(kept, size)[: len(clip.samples)]]
    power = float(np.mean(np.square(speech))) if len(speech) else 0.0
    gain = np.sqrt(10 ** (_LEVEL_DB / 10) / max(power, 1e-12))
    return (speech * np.float32(max(1.0, gain))).astype(np.float32)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1e-9))


def _weights(config: JudgeConfig) -> Path:
    """The file of the weights.

    Raises:
        ModelError: There is none
    """
    named = str(config.options.get("path", ""))
    if named:
        file = Path(named).expanduser()
    else:
        found = importlib.util.find_spec("resemblyzer")
        if found is None or found.origin is None:
            raise ModelError(
                f"{option_key(config, 'path')} is missing: name resemblyzer's pretrained.pt, "
                "or install it (pip install --no-deps resemblyzer==0.1.4)"
            )
        file = Path(found.origin).parent / "pretrained.pt"
    if not file.is_file():
        raise ModelError(f"{option_key(config, 'path')}: {file} is no file")
    return file


def _references(config: JudgeConfig) -> dict[str, NDArray[np.float32]]:
    voices = config.calibration.get("voices", {})
    if not isinstance(voices, Mapping):
        raise ModelError(f"quality.calibration: {config.name}.voices is {voices!r}; it maps voices to embeddings")
    found: dict[str, NDArray[np.float32]] = {}
    for voice, values in voices.items():
        try:
            vector = np.asarray(values, np.float32)
        except (TypeError, ValueError):
            vector = np.zeros(0, np.float32)
        if vector.shape != (_DIMENSIONS,) or not np.isfinite(vector).all():
            raise ModelError(f"quality.calibration: {config.name}.voices.{voice} is no list of {_DIMENSIONS} numbers")
        found[str(voice)] = _unit(vector)
    return found
