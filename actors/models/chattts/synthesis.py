"""From steps of speech to the waveform: a mel decoder and the vocoder, one after the other.

Guarantees the exact length of a row, and that a step's samples depend on `context_steps` steps to either side and on
nothing else: a window of steps with that much context decodes to the samples that it has in the whole. Pure in its
inputs. Deliberately does not know where hidden states come from, or what is done with a window's edges.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from .nets.vocos import Vocos


class MelDecoder(Protocol):
    """`HiddenDecoder`, or `Dvae` for codes."""

    context_frames: int

    def decode(self, steps: Tensor, lengths: Tensor, /) -> Tensor:
        """Log-mel [batch, n_mels, 2 * steps]."""
        ...


def decode(steps: Tensor, lengths: Tensor, decoder: MelDecoder, vocos: Vocos) -> Tensor:
    """float32 [batch, (2 * steps - 1) * hop] at 24 kHz; a row is valid up to its own samples, then zero.

    Args:
        steps: What `decoder` takes: hidden states float [batch, hidden, steps], or codes int64 [batch, num_vq, steps]
        lengths: int64 [batch], in steps, at least 1; on the CPU they cost a GPU no waiting

    Raises:
        ValueError: For a length that is not within 1 to steps
    """
    return vocos.waveforms(decoder.decode(steps, lengths), 2 * lengths)


def context_steps(decoder: MelDecoder, vocos: Vocos) -> int:
    """Steps to either side of a step that its samples depend on: 52 for the published sizes."""
    return -(-(decoder.context_frames + vocos.context_frames) // 2)
