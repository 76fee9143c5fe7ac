"""Faults of speech synthesis, made from good clips: truncated, repeated, garbled, silent, another's words, noise.

Each is a function of (clip, others, chance) to samples; the same arguments give the same samples. Samples are float32
[num_samples] in -1 … 1. What is planted is what judges are measured with; it is no model of how often faults occur.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speechmill.actors.judges.base import Hearing
from speechmill.actors.judges.levels import FRAME_S, Levels

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """What a fault is made from.

    `others` are clips of the same voice that say something else; at least one.
    """

    samples: Samples
    rate: int
    others: Sequence[Samples]
    chance: random.Random

    @property
    def other(self) -> Samples:
        return self.chance.choice(self.others)

    def seconds(self, value: float) -> int:
        return round(value * self.rate)

    @property
    def speech(self) -> tuple[int, int]:
        """First and last sample of what is no silence."""
        active = np.flatnonzero(Levels.of(self.samples, self.rate).is_active)
        size = self.seconds(FRAME_S)
        return int(active[0]) * size, min(len(self.samples), (int(active[-1]) + 1) * size)

    def inner(self, seconds: float) -> int:
        """A place in the speech with that much of it behind."""
        first, last = self.speech
        return self.chance.randint(first, max(first, last - self.seconds(seconds)))

    def noise(self, num: int) -> Samples:
        """White noise of power 1."""
        return np.random.default_rng(self.chance.getrandbits(63)).standard_normal(num).astype(np.float32)

    @property
    def power(self) -> float:
        first, last = self.speech
        return float(np.mean(np.square(self.samples[first:last])))


def cut_fifth(m: Material) -> Samples:
    """The last fifth of the speech is missing."""
    first, last = m.speech
    return m.samples[: first + round(0.8 * (last - first))]


def half_spoken(m: Material) -> Samples:
    """The second half of the speech is missing."""
    first, last = m.speech
    return m.samples[: (first + last) // 2]


def word_cut(m: Material) -> Samples:
    """0.4 s are missing from the middle."""
    at = m.inner(0.4)
    return np.concatenate([m.samples[:at], m.samples[at + m.seconds(0.4) :]])


def wrong_piece(m: Material) -> Samples:
    """0.45 s in the middle are of another clip."""
    at, num = m.inner(0.45), m.seconds(0.45)
    made = m.samples.copy()
    piece = _speech_of(m.other, m)[:num]
    made[at : at + len(piece)] = piece[: len(made) - at]
    return made


def garbled_end(m: Material) -> Samples:
    """The last 40 % are shuffled in pieces of 80 ms."""
    first, last = m.speech
    begin, size = first + round(0.6 * (last - first)), m.seconds(0.08)
    pieces = [m.samples[at : at + size] for at in range(begin, last, size)]
    m.chance.shuffle(pieces)
    return np.concatenate([m.samples[:begin], *pieces, m.samples[last:]])


def repeated(m: Material) -> Samples:
    """1.2 s of the speech are said twice."""
    at, num = m.inner(1.2), m.seconds(1.2)
    return np.concatenate([m.samples[: at + num], m.samples[at : at + num], m.samples[at + num :]])


def babble_tail(m: Material) -> Samples:
    """3 s of shuffled speech follow."""
    pieces: list[Samples] = []
    while sum(map(len, pieces)) < m.seconds(3):
        speech = _speech_of(m.other, m)
        at = m.chance.randrange(max(1, len(speech) - m.seconds(0.15)))
        pieces.append(speech[at : at + m.seconds(0.15)])
    return np.concatenate([m.samples[: m.speech[1]], *pieces])


def noise_tail(m: Material) -> Samples:
    """8 s of faint noise follow."""
    return np.concatenate([m.samples, m.noise(m.seconds(8)) * np.float32(np.sqrt(m.power) / 10)])


def pause(m: Material) -> Samples:
    """A silence of 1.5 s in the middle."""
    at = m.inner(0.3)
    return np.concatenate([m.samples[:at], np.zeros(m.seconds(1.5), np.float32), m.samples[at:]])


def silence(m: Material) -> Samples:
    """Nothing at all."""
    return np.zeros_like(m.samples)


def hiss(m: Material) -> Samples:
    """Faint noise in place of speech."""
    return m.noise(len(m.samples)) * np.float32(0.01)


def other_clip(m: Material) -> Samples:
    """Another row's clip."""
    return m.other


def other_clip_alike(m: Material) -> Samples:
    """Another row's clip, the one of most similar length."""
    return min(m.others, key=lambda other: abs(len(other) - len(m.samples)))


def white_noise(m: Material) -> Samples:
    """White noise, 5 dB below the speech."""
    return np.clip(m.samples + m.noise(len(m.samples)) * np.float32(np.sqrt(m.power * 10**-0.5)), -1, 1)


def babble_noise(m: Material) -> Samples:
    """Four other clips at once, 5 dB below the speech."""
    mixed = np.zeros_like(m.samples)
    for _ in range(4):
        mixed += np.resize(_speech_of(m.other, m), len(mixed))
    return np.clip(m.samples + mixed * np.float32(np.sqrt(m.power * 10**-0.5 / np.mean(np.square(mixed)))), -1, 1)


def clipped(m: Material) -> Samples:
    """12 dB louder than the samples can hold."""
    return np.clip(m.samples * np.float32(4 / np.abs(m.samples).max()), -1, 1)


def hurried(m: Material) -> Samples:
    """1.5 times as fast, at the same pitch, by overlapping frames."""
    size, hop = m.seconds(0.04), m.seconds(0.02)
    window = np.hanning(size).astype(np.float32)
    num = max(1, int((len(m.samples) - size) / (hop * 1.5)))
    made = np.zeros(num * hop + size, np.float32)
    for frame in range(num):
        at = _best_offset(m.samples, made, frame * hop, round(frame * hop * 1.5), hop)
        piece = m.samples[at : at + size]
        made[frame * hop : frame * hop + len(piece)] += piece * window[: len(piece)]
    return made


def other_voice(m: Material) -> Samples:
    """The second half is four semitones lower."""
    first, last = m.speech
    middle = (first + last) // 2
    rest = m.samples[middle:]
    lower = 2 ** (-4 / 12)
    slow = np.interp(np.arange(0, len(rest), lower), np.arange(len(rest)), rest).astype(np.float32)
    # [num_samples / lower] is longer and deeper; overlapping frames bring it back to its length.
    size, hop = m.seconds(0.04), m.seconds(0.02)
    window = np.hanning(size).astype(np.float32)
    made = np.zeros(len(rest) + size, np.float32)
    for frame in range(max(1, (len(rest) - size) // hop)):
        at = _best_offset(slow, made, frame * hop, round(frame * hop / lower), hop)
        piece = slow[at : at + size]
        made[frame * hop : frame * hop + len(piece)] += piece * window[: len(piece)]
    return np.concatenate([m.samples[:middle], made[: len(rest)]])


FAULTS: Mapping[str, Callable[[Material], Samples]] = {
    made.__name__: made
    for made in (
        cut_fifth,
        half_spoken,
        word_cut,
        wrong_piece,
        garbled_end,
        repeated,
        babble_tail,
        noise_tail,
        pause,
        silence,
        hiss,
        other_clip,
        other_clip_alike,
        white_noise,
        babble_noise,
        clipped,
        hurried,
        other_voice,
    )
}
"""The kinds, by name."""


def planted(kind: str, clips: Sequence[Hearing], at: int) -> Hearing:
    """The clip at that place, with a fault; the same clips give the same fault.

    The others that it is made from are the clips around it, which say other texts. As a clip that is stored it has 16
    bits.
    """
    clip = clips[at]
    near = [clips[(at + step) % len(clips)] for step in range(1, min(len(clips), 40))]
    others = [other.samples for other in near if other.text != clip.text]
    samples = FAULTS[kind](Material(clip.samples, clip.sample_rate, others, random.Random(f"{kind} {clip.id}")))
    return replace(clip, id=f"{clip.id}:{kind}", samples=as_stored(samples))


def as_stored(samples: Samples) -> Samples:
    """The samples as 16 bits hold them."""
    return np.rint(np.clip(samples, -1, 1) * 32767).astype(np.float32) / np.float32(32767)


def _speech_of(samples: Samples, m: Material) -> Samples:
    first, last = replace(m, samples=samples).speech
    return samples[first:last]


def _best_offset(source: Samples, made: Samples, end: int, at: int, hop: int) -> int:
    """Where a frame of the source continues what is made so far: the place around `at` that is most like it."""
    reach = hop // 2
    begin = max(0, at - reach)
    wanted = made[end : end + hop]
    found = source[begin : at + reach + hop]
    if len(found) <= hop or not wanted.any():
        return min(at, max(0, len(source) - 1))
    return begin + int(np.argmax(np.correlate(found, wanted, "valid")))
