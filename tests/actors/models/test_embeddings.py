"""Embeddings of recordings: made once on a machine, the same from memory, from the disk and anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.recordings import recording

from speechmill.actors.models import embeddings
from speechmill.actors.models.embeddings import EmbeddingCache
from speechmill.actors.records.reference import Reference


def reference(number: int, text: str = "words") -> Reference:
    return Reference.of(recording(number).astype(np.float32), 8_000, text)


def make(clip: Reference) -> np.ndarray:
    return np.asarray([clip.samples.max(), len(clip.text)], np.float32).reshape(1, 2)


def test_an_embedding_is_made_once_on_a_machine(tmp_path: Path) -> None:
    first = EmbeddingCache("m", "1", make, folder=tmp_path)
    made = first.of(reference(1))
    assert first.of(reference(1)) is made
    again = EmbeddingCache("m", "1", make, folder=tmp_path)
    assert np.array_equal(again.of(reference(1)), made)
    assert (first.num_made, again.num_made) == (1, 0)
    again.of(reference(2))
    other = EmbeddingCache("m", "2", make, folder=tmp_path)
    other.of(reference(1))
    assert (again.num_made, other.num_made) == (1, 1)


def test_the_words_count_where_they_are_asked_for(tmp_path: Path) -> None:
    sound = EmbeddingCache("m", "1", make, folder=tmp_path)
    both = EmbeddingCache("m", "1", make, with_text=True, folder=tmp_path)
    for cache in (sound, both):
        for text in ("one", "two words"):
            cache.of(reference(1, text))
    assert (sound.num_made, both.num_made) == (1, 2)
    assert both.of(reference(1, "two words"))[0, 1] == len("two words")


def test_a_damaged_file_is_made_anew_and_memory_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "MEMORY_BYTES", 16)
    cache = EmbeddingCache("m", "1", make, folder=tmp_path)
    whole = [cache.of(reference(number)) for number in range(5)]
    assert len(cache._held) <= 2
    assert cache._held_bytes <= 16
    (path, *_) = sorted(tmp_path.glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-5])
    assert all(np.array_equal(cache.of(reference(number)), whole[number]) for number in range(5))
    assert cache.num_made == 6
