"""The root: read as it is written, refused where it was edited; what counts and what is dead for ever."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.cluster.commit.adoptions import NO_NAMES, NO_NUMBERS, Adopted, NameDigest, adopt
from speechmill.cluster.commit.names import UNSTAMPED, Stamp
from speechmill.cluster.commit.root import Generation, Root, counts, is_dead, is_kept
from speechmill.errors import JobError

NUMBERS = st.sets(st.integers(0, 40), min_size=1, max_size=12)
ADOPTED = st.dictionaries(st.integers(1, 6), NUMBERS.map(NO_NUMBERS.plus), max_size=3)
STAMPS = st.builds(Stamp, st.sampled_from(["5f3a", "0000"]), st.integers(1, 9), st.none() | st.integers(0, 45))


@st.composite
def kept_states(draw: st.DrawFn, number: int, *, may_be_open: bool) -> Generation:
    adopted = tuple(sorted(draw(ADOPTED).items()))
    names = NameDigest(sum(len(some) for _, some in adopted), draw(st.integers(0, 2**256 - 1)))
    return Generation(number, adopted, None if may_be_open and draw(st.booleans()) else names)


@st.composite
def roots(draw: st.DrawFn) -> Root:
    """Open and complete ones, of runs 7 and 8."""
    run, adopted = draw(st.integers(7, 8)), tuple(sorted(draw(ADOPTED).items()))
    is_open = draw(st.booleans())
    states = [draw(kept_states(number, may_be_open=is_open)) for number in sorted(draw(st.sets(st.integers(1, 4))))]
    updated: dict[str, Any] = {"generation": 5, "earlier": tuple(states)} if states else {}
    if is_open:
        return Root(run, "5f3a", "0123456789abcdef", adopted, **updated)
    if draw(st.booleans()):
        adopted = (*adopted, (run, NO_NUMBERS.plus(draw(NUMBERS))))
    num_names = sum(len(numbers) for _, numbers in adopted)
    names = NameDigest(num_names, draw(st.integers(0, 2**256 - 1)))
    return Root(run, "5f3a", "0123456789abcdef", adopted, True, names, **updated)


@given(roots())
def test_a_root_is_read_as_it_is_written(root: Root) -> None:
    """Law: through JSON."""
    assert Root.from_json(json.loads(json.dumps(root.to_json()))) == root


OPEN: dict[str, Any] = {
    "run": 7,
    "tag": "5f3a",
    "nonce": "0123456789abcdef",
    "state": "open",
    "adopted": {"5": [417, [411]], "6": [12, []]},
}
COMPLETE = OPEN | {"state": "complete", "num_manifests": 430, "names": "0" * 64}


def test_a_root_looks_as_documented() -> None:
    """The adopted numbers need a few bytes a takeover."""
    root = Root(7, "5f3a", "0123456789abcdef", ((5, Adopted(417, (411,))), (6, Adopted(12))))
    assert root.to_json() == OPEN
    assert Root.from_json(COMPLETE).is_complete


FAULTS = [
    ({"run": 0}, "run is 0"),
    ({"run": True}, "run is True"),
    ({"run": "7"}, "run is '7'"),
    ({"tag": "5F3A"}, "tag is '5F3A'"),
    ({"nonce": ""}, "nonce is ''"),
    ({"nonce": None}, "nonce is None"),
    ({"state": "done"}, "state is 'done'"),
    ({"state": ["open"]}, "state is"),
    ({"adopted": []}, "adopted is"),
    ({"adopted": {"7": [1, []]}}, "'7'"),
    ({"adopted": {"05": [1, []]}}, "'05'"),
    ({"adopted": {"5": [1]}}, "'5'"),
    ({"adopted": {"5": [-1, []]}}, "-1"),
    ({"adopted": {"5": [True, []]}}, "True"),
    ({"adopted": {"5": [3, [3]]}}, "ascend"),
    ({"adopted": {"5": [3, [2, 1]]}}, "ascend"),
    ({"adopted": {"5": [3, [1, 1]]}}, "ascend"),
    ({"adopted": {"5": [3, ["1"]]}}, "'1'"),
    ({"more": 1}, "more"),
    ({"generation": 0}, "generation is 0"),
    ({"generation": 2, "earlier": {}}, "earlier is"),
    ({"generation": 2, "earlier": [{"generation": 1}]}, "earlier is"),
    ({"generation": 2, "earlier": [{"generation": 2, "adopted": {}}]}, "ascend"),
    ({"generation": 2, "earlier": [{"generation": 1, "adopted": {"7": [0, []]}}]}, "'7'"),
    ({"generation": 2, "earlier": [{"generation": 1, "adopted": {}, "num_manifests": 1, "names": "0" * 64}]}, "0, as"),
    ({"names": "0" * 64}, "names"),
]


@pytest.mark.parametrize(("change", "fault"), FAULTS)
def test_an_edited_root_is_refused(change: dict[str, Any], fault: str) -> None:
    """And the fault is named."""
    with pytest.raises(JobError, match=fault):
        Root.from_json(OPEN | change)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"generation": 2, "earlier": [{"generation": 1, "adopted": {}}]}, "earlier is"),
        ({"num_manifests": 429}, "430, as adopted"),
        ({"names": "0"}, "names"),
        ({"num_manifests": None}, "None"),
    ],
)
def test_an_edited_complete_root_is_refused(change: dict[str, Any], fault: str) -> None:
    """Its counts have to fit each other."""
    with pytest.raises(JobError, match=fault):
        Root.from_json(COMPLETE | change)


@given(st.recursive(st.none() | st.booleans() | st.integers(max_value=0) | st.text("ox", max_size=4), st.lists))
def test_nothing_else_is_a_root(value: object) -> None:
    """Law: any other JSON is an error of ours, never one of Python's."""
    bodies = [value, *({key: OPEN[key] for key in OPEN if key != name} for name in OPEN)]
    for body in [*bodies, *(OPEN | {name: value} for name in OPEN)]:
        with pytest.raises(JobError):
            Root.from_json(body)


@given(roots(), STAMPS)
def test_what_is_dead_does_not_count(root: Root, stamp: Stamp) -> None:
    """Law: nothing of the open run, of later ones or of another tag is dead."""
    assert not (counts(root, stamp) and is_dead(root, stamp))
    assert not (is_kept(root, stamp) and is_dead(root, stamp))
    for state in root.earlier:
        view = root.at(state.number)
        assert (view is None) == (state.names is None)
        assert view is None or counts(view, stamp) == (stamp.tag == root.tag and stamp in state)
    if stamp.tag != root.tag or stamp.run > root.run or (stamp.run == root.run and not root.is_complete):
        assert not is_dead(root, stamp)
    if stamp.number is None or stamp.tag != root.tag:
        assert not counts(root, stamp)


@given(roots(), STAMPS, st.data())
def test_what_is_dead_is_dead_for_ever(root: Root, stamp: Stamp, data: st.DataObject) -> None:
    """Law: whatever claim or completion follows, as it adopts only what counts."""
    numbers = data.draw(st.sets(st.integers(0, 45)))
    counted = [found for run in range(1, 9) for number in numbers if counts(root, found := Stamp("5f3a", run, number))]
    some = data.draw(st.lists(st.sampled_from(counted), unique=True)) if counted else []
    following = [Root(root.run + 1, "5f3a", "1123456789abcdef", adopt((), counted))]
    kept = (*root.earlier, Generation(root.generation, adopt((), counted)))
    following.append(Root(root.run + 1, "5f3a", "", adopt((), some), generation=root.generation + 1, earlier=kept))
    if not root.is_complete:
        names = NO_NAMES
        following.append(Root(root.run, "5f3a", "2123456789abcdef", adopt((), counted), True, names))
    if is_dead(root, stamp):
        assert all(is_dead(after, stamp) for after in following)


@given(roots())
def test_names_of_format_2_count_under_its_root_alone(root: Root) -> None:
    """A job.json that says nothing of runs is run 0; a claim over it makes all of its names dead."""
    old = Root.unstamped(is_complete=True)
    assert counts(old, UNSTAMPED)
    assert not is_dead(old, UNSTAMPED)
    assert not counts(old, Stamp("5f3a", 1, 0))
    assert not counts(root, UNSTAMPED)
    assert is_dead(root, UNSTAMPED)
