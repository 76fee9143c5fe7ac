"""Keys say whose run wrote an object: parsing and writing are exact inverses, and nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.part_name import PartName
from speechmill.cluster.commit.names import UNSTAMPED, Kind, ObjectName, Stamp
from speechmill.cluster.containers.base import clip_key
from speechmill.errors import JobError

WHOLE = st.one_of(st.integers(0, 20), st.integers(0, 10**18 - 1))
TAGS = st.text("0123456789abcdef", min_size=4, max_size=16)
STAMPS = st.builds(Stamp, TAGS, WHOLE.filter(bool), st.none() | WHOLE)


@given(STAMPS)
def test_a_stamp_is_read_as_it_is_written(stamp: Stamp) -> None:
    """Law."""
    assert Stamp.parse(str(stamp)) == stamp


@given(st.one_of(st.text("r5f3a-7.n042 \n", max_size=14), st.text(max_size=12)))
def test_a_stamp_has_one_spelling(text: str) -> None:
    """Law: what can be read is what would be written."""
    try:
        stamp = Stamp.parse(text)
    except JobError as error:
        assert repr(text)[:20] in str(error)
    else:
        assert str(stamp) == text


@pytest.mark.parametrize(
    "text", ["r5f3a-07", "r5f3a-7.n042", "r5f3a-0", "r5F3a-7", "r5f3a-7.n", "r5f-7", "r5f3a-7 ", "r5f3a-٧", "5f3a-7"]
)
def test_other_spellings_are_refused(text: str) -> None:
    """Else two names would mean the same."""
    with pytest.raises(JobError, match="no stamp"):
        Stamp.parse(text)


def test_what_stands_in_the_names_is_as_documented() -> None:
    """Both forms."""
    assert str(Stamp("5f3a", 7)) == "r5f3a-7"
    assert str(Stamp("5f3a", 7, 42)) == "r5f3a-7.n42"


SHARDS = st.tuples(st.integers(0, 10**7), st.integers(0, 20000)).map(lambda shard: f"{shard[0]:06d}-{shard[1]:04d}")
NUMBERED = st.builds(Stamp, TAGS, WHOLE.filter(bool), WHOLE)


@given(SHARDS, NUMBERED)
def test_keys_of_a_run_say_shard_and_stamp(shard: str, stamp: Stamp) -> None:
    """Law: of each kind, in every container; a name that a row gave its clip is not taken for a stamp."""
    window, _, index = shard.partition("-")
    run = Stamp(stamp.tag, stamp.run)
    keys = {
        f"manifest/{window}/{index}.{stamp}.ok8.failed0.ms45300.30081746a2ed.jsonl": (Kind.MANIFEST, stamp),
        f"text/{shard}-{stamp}.jsonl": (Kind.TEXT, stamp),
        f"audio/{shard}-{run}-1f0c6a5e.tar": (Kind.AUDIO, run),
        f"audio/3f/{shard}-{run}-1f0c6a5e.parquet": (Kind.AUDIO, run),
        f"audio/{shard}-{run}-1f0c6a5e/000000017-mill.flac": (Kind.AUDIO, run),
        clip_key(f"{shard}-{run}-1f0c6a5e", 17, f"x.{index}-r0000-1-9f", "flac"): (Kind.AUDIO, run),
        clip_key(f"{shard}-{run}-1f0c6a5e", 17, "mill", "wav", 256): (Kind.AUDIO, run),
        f"audio/{shard}-1f0c6a5e/000000017-{stamp}.flac": (Kind.AUDIO, UNSTAMPED),
    }
    for key, (kind, found) in keys.items():
        assert ObjectName.parse(key) == ObjectName(kind, shard, found)


@given(st.builds(PartName, st.integers(0, 10**7), st.integers(0, 20000) | st.none(), WHOLE, WHOLE, WHOLE, TAGS))
def test_names_of_format_2_are_of_run_0(part: PartName) -> None:
    """Law: every manifest that older versions wrote, and their audio and text."""
    assert ObjectName.parse(part.key) == ObjectName(Kind.MANIFEST, part.shard_id, UNSTAMPED)
    for key, kind in (("audio/000000-0003-1f0c6a5e.tar", Kind.AUDIO), ("text/000000-0003.jsonl", Kind.TEXT)):
        assert ObjectName.parse(key) == ObjectName(kind, "000000-0003", UNSTAMPED)


@pytest.mark.parametrize(
    "key",
    [
        "job.json",
        "plan/000000.json",
        "text/corpus.jsonl",
        "text/000000-0003-r5f3a-7.jsonl",
        "audio/notes.txt",
        "audio/000000-0003-r5f3a-07-1f0c6a5e.tar",
        "audio/000000-0003-r5f3a-7.n1-1f0c6a5e.tar",
        "audio/000000-000000/000000017-mill.flac",
        "audio/000000-000000/000000017-mill.0003-r5f3a-07-1f0c6a5e.flac",
        "audio/000000-000000/sub/000000017-mill.0003-r5f3a-7-1f0c6a5e.flac",
        "manifest/000000/0003.r5f3a-7.ok8.failed0.ms1.aa.jsonl",
        "manifest/000000/0003.r5f3a-7.n1.ok8.failed0.ms1.aa.jsonl.bak",
        "manifest/000000/0003.r5f3a-7.n1.ok8.failed0.ms1.aa.jsonl\n",
    ],
)
def test_what_no_run_wrote_is_nobodys(key: str) -> None:
    """It never counts, and is never deleted."""
    assert ObjectName.parse(key) is None
