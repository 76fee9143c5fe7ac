"""The clips of a part, heard: read, decoded and judged, a few at once.

Guaranteed: every clip of the part gets a verdict, in order. One that is missing or cannot be decoded is rejected, one
whose row makes no sense is unheard. A store that does not answer is an error: nothing is said of its clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from ...actors.gate.cascade import ClipVerdict
from ...actors.gate.config import GateConfig, is_dear
from ...actors.gate.gate import Gate
from ...actors.gate.stats import NO_GATE, GateStats
from ...actors.judges.base import Hearing
from ...errors import RunStopped, StorageDenied
from ..corpus.parallel import NUM_THREADS, in_order
from .audio_corpus import AudioPart, FoundClip, Sound
from .judged_clip import AUDIO, JudgedClip

CHUNK_CLIPS = 32
_MAX_THREADS = 16
_DIED = "the process died of it, twice: it was not judged"


@dataclass(frozen=True, slots=True)
class HeardClips:
    """Consecutive clips of a part."""

    clips: tuple[JudgedClip, ...]
    stats: GateStats


def hear_part(
    part: AudioPart, gate: Gate, *, start: int = 0, chunk: int = CHUNK_CLIPS, passed_over: frozenset[int] = frozenset()
) -> Iterator[HeardClips]:
    """Judge the clips of a part.

    Args:
        part: The part.
        gate: The judges.
        start: How many of its clips are judged already.
        chunk: So many are told at once.
        passed_over: Positions of clips that nothing is to be done with: processes died of them.

    Raises:
        JobError: The part as a whole cannot be read
        StorageUnavailable: The store does not answer
    """
    told = (
        partial(_unheard, clip, _DIED) if at in passed_over else partial(hear_clip, clip, gate)
        for at, clip in islice(enumerate(part.clips()), start, None)
    )
    num_threads = max(threads_of(gate.config), NUM_THREADS if part.is_remote else 1)
    judged = in_order(_call, told, num_threads) if num_threads > 1 else map(_call, told)
    while some := list(islice(judged, chunk)):
        yield HeardClips(tuple(clip for clip, _ in some), sum((stats for _, stats in some), NO_GATE))


def hear_clip(found: FoundClip, gate: Gate) -> tuple[JudgedClip, GateStats]:
    """The verdict on one clip, and what it cost.

    Raises:
        StorageUnavailable: The store does not answer
        StorageDenied: It refuses
    """
    if found.fault:
        return _unheard(found, found.fault)
    try:
        sound = found.load()
        if not len(sound.samples):
            raise ValueError("it has no samples")
    except (RunStopped, StorageDenied):
        raise
    except Exception as error:  # whatever a decoder raises, the clip cannot be heard by anyone
        reason = str(error) or type(error).__name__
        return JudgedClip.of(found, ClipVerdict(AUDIO, (reason,))), GateStats(num_judged=1, rejections={AUDIO: 1})
    verdict, stats = gate.judge(hearing_of(found, sound))
    return JudgedClip.of(found, verdict, len(sound.samples) / sound.sample_rate), stats


def hearing_of(found: FoundClip, sound: Sound) -> Hearing:
    """A clip as judges hear it."""
    spoken = found.utterance
    text = found.heard_text or spoken.text
    return Hearing(
        spoken.id,
        text,
        spoken.voice,
        found.language,
        spoken.speed,
        sound.samples,
        sound.sample_rate,
        num_tokens=found.num_tokens,
    )


def threads_of(config: GateConfig) -> int:
    """Clips that are heard at once, so that a judge that takes batches gets some."""
    dear = [info.max_batch if info.is_batch_invariant else 1 for info in config.infos if is_dear(info)]
    return min(_MAX_THREADS, max(dear, default=1))


def _unheard(found: FoundClip, why: str) -> tuple[JudgedClip, GateStats]:
    verdict = ClipVerdict(unheard_by=(AUDIO,))
    return JudgedClip.of(found, verdict, reasons=(why,)), GateStats(num_judged=1, unheard={AUDIO: 1})


def _call(hear: partial[tuple[JudgedClip, GateStats]]) -> tuple[JudgedClip, GateStats]:
    return hear()
