"""What the recordings that rows name sound like now, so that a clip that was replaced is spoken with again.

Guaranteed: a digest is that which a replica would note; one clip in memory for each thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...actors.audio.reference_clip import MAX_BYTES, decode_reference
from ...actors.records.reference import NamedClip
from ...actors.records.utterance import Failure, Utterance
from ...cluster.storage.audio_files import ClipFiles
from ...errors import RowRejected
from ..corpus.options import InputOptions
from ..corpus.parallel import in_order

_MOST_HELD = 1 << 17


class ClipDigests:
    """Reads clips of a corpus, each once as long as few enough are named."""

    def __init__(self, options: InputOptions) -> None:
        self._files, self._seconds = ClipFiles(options.s3), options.reference_s
        self._held: dict[tuple[str, str], str] = {}

    def of(self, rows: Sequence[Utterance | Failure]) -> dict[int, str]:
        """The digests by row, of rows that name a clip; "" for one that cannot be used.

        Raises:
            StorageUnavailable: The store does not answer
        """
        named = {row.row: row.reference for row in rows if isinstance(row, Utterance) and row.reference is not None}
        if not named:
            return {}
        keys = {clip: (self._files.location(clip), clip.text) for clip in named.values()}
        if len(self._held) > _MOST_HELD:
            self._held.clear()
        new = [clip for clip, key in keys.items() if key not in self._held]
        for clip, digest in zip(new, in_order(self._digest, new), strict=True):
            self._held[keys[clip]] = digest
        return {row: self._held[keys[clip]] for row, clip in named.items()}

    def _digest(self, clip: NamedClip) -> str:
        try:
            data = self._files.read(self._files.location(clip), MAX_BYTES)
            return decode_reference(data, clip.text, self._seconds).digest
        except RowRejected:
            return ""
