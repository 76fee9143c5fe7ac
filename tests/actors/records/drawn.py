"""Records as hypothesis draws them: spoken, refined and failed rows."""

from __future__ import annotations

from hypothesis import strategies as st

from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Failure

text = st.text(max_size=20)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
positive = st.integers(1, 2**40)
metadata = st.dictionaries(
    text,
    text | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    max_size=4,
)
finite = st.floats(0, 1e9)
aligned = st.lists(st.tuples(text, finite, finite), max_size=3)
common = {
    "normalized_text": st.none() | text,
    "attempt": st.none() | st.integers(0, 2**40),
    "scores": st.none() | st.dictionaries(text, finite, max_size=3),
    "alignment": st.none() | aligned,
    "row": st.integers(0, 2**40),
    "id": text,
    "text": text,
    "voice": text,
    "model": text,
    "model_revision": text,
    "metadata": metadata,
}
spoken = st.builds(
    Record,
    **common,
    status=st.just("ok"),
    error=st.none(),
    seed=st.integers(0, 2**63 - 1),
    speed=finite,
    audio=text,
    member=text | st.integers(0, 2**40) | st.none(),
    audio_format=text,
    audio_bytes=positive,
    audio_sha256=hashes,
    sample_rate=positive,
    num_samples=positive,
    duration_s=finite,
    pcm_sha256=hashes,
    num_segments=positive,
)
refined = st.builds(
    Record,
    **common,
    status=st.just("ok"),
    error=st.none(),
    seed=st.integers(0, 2**63 - 1),
    speed=finite,
    unspoken=text,
    refined=text.filter(str.strip),
)
failed = st.builds(
    Record,
    **common,
    status=st.just("failed"),
    error=text,
    seed=st.integers(0, 2**63 - 1) | st.none(),
    speed=finite | st.none(),
)
records = spoken | refined | failed
FAILED = Record.of_failure(Failure(3, "a", "empty text", "x", {"k": 1}), "tone", "1")
