"""The published int8 graph under onnxruntime, one row at a time: the fastest way on a CPU core.

Guarantees the same samples for the same row on the same machine: the graph runs on one thread and never batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelError
from ...audio.aligned_wave import AlignedWave
from ...records.utterance import Segment
from ..noise_table import table_starts
from ..onnx_file import read_bytes
from .frame_major import frame_major
from .graph_head import OUTPUTS, PULSE_FRAMES
from .row_synthesis import LEAD, STEP, Floats, RowSynthesis, Spectrum

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_CHUNK = 128  # frames; measured best where the second-level cache is 1 MiB a core


class Int8Voice:
    """One voice as an onnxruntime session."""

    def __init__(self, file: Path) -> None:
        raw = frame_major(read_bytes(file), file)
        self._session = _session(raw, file)
        self._synthesis = RowSynthesis(_CHUNK)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """float32 [num_samples] at 24 kHz of each segment, on one thread."""
        return [self._speak_one(segment) for segment in segments]

    def _speak_one(self, segment: Segment) -> Floats:
        spectrum, f0, ends = self.frames(segment.tokens, segment.speed)
        (starts,) = table_starts([segment.seed], [segment.index], len(f0))
        samples = self._synthesis.waveform(spectrum, f0, starts)
        return samples if ends is None else AlignedWave.of(samples, segment.prepared.words, STEP * ends, LEAD)

    def frames(self, tokens: Sequence[int], speed: float) -> tuple[Spectrum, Floats, NDArray[np.int64] | None]:
        """The graph's spectrum and f0, float32 [num_frames] in Hz.

        With them, where the graph has it, int64 [num_tokens], the end of each token in steps of two frames.
        """
        feed = {"ids": np.asarray([tokens], np.int64), "speed": np.asarray([speed], np.float32)}
        results = map(np.asarray, self._session.run(None, feed))
        outputs = dict(zip(self._outputs, results, strict=True))
        f0 = outputs.pop("f0")[0]
        if "lh" in outputs:
            parts = np.concatenate([outputs[name][0] for name in ("lh", "theta", "ln", "lr", "phi")], axis=0)
            return Spectrum.of(np.ascontiguousarray(parts.T)), f0, None
        if PULSE_FRAMES in outputs:
            heard = outputs.pop(PULSE_FRAMES)
            spectrum = Spectrum(heard, **{name: outputs.pop(name)[0] for name in OUTPUTS[1:]})
        else:
            spectrum = Spectrum.of(outputs.pop(next(iter(outputs)))[0])
        ends = [sums.reshape(-1).astype(np.int64) for sums in outputs.values()]
        return spectrum, f0, ends[0] if ends else None


def _session(raw: bytes, file: Path) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common public base
        raise ModelError(f"hibari: onnxruntime cannot load {file}: {error}; fetch the file again") from error
    inputs, outputs = {i.name for i in session.get_inputs()}, {o.name for o in session.get_outputs()}
    if inputs != {"ids", "speed"} or "f0" not in outputs:
        raise ModelError(f"hibari: {file} is no hibari voice; it takes {sorted(inputs)} and gives {sorted(outputs)}")
    return session
