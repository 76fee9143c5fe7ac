"""Headers and whole files, held against the safetensors library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from speechmill.actors.models.chattts.checkpoint.safetensors_file import Shape, read_header, write_tensors

shapes_of_files = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1).filter(lambda n: n != "__metadata__"),
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    max_size=5,
)
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def values(name: str, shape: Shape) -> np.ndarray:
    rng = np.random.default_rng(list(name.encode()))
    return rng.standard_normal(shape, dtype=np.float32).reshape(shape)


@one_folder
@given(shapes_of_files)
def test_the_library_reads_what_is_written_and_the_header_says_the_same(
    tmp_path: Path, shapes: dict[str, Shape]
) -> None:
    file = tmp_path / "file.safetensors"
    write_tensors(file, shapes, values)
    read = load_file(file)
    assert read.keys() == shapes.keys()
    for name, shape in shapes.items():
        np.testing.assert_array_equal(read[name], values(name, shape))
    assert {name: (entry.dtype, entry.shape) for name, entry in read_header(file).items()} == {
        name: ("F32", shape) for name, shape in shapes.items()
    }


@one_folder
@given(shapes_of_files, st.booleans())
def test_what_is_written_is_what_the_library_writes(tmp_path: Path, shapes: dict[str, Shape], named: bool) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    metadata = {"format": "pt"} if named else None
    write_tensors(ours, shapes, values, metadata)
    save_file({name: values(name, shape) for name, shape in shapes.items()}, theirs, metadata)
    assert ours.stat().st_size == theirs.stat().st_size
    assert read_header(ours) == read_header(theirs)


@one_folder
@given(st.data())
def test_a_file_of_any_other_length_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    file = tmp_path / "file.safetensors"
    write_tensors(file, {"a": (3, 2), "b": (5,)}, values)
    whole = file.read_bytes()
    num_bytes = data.draw(st.integers(0, len(whole) + 9).filter(lambda n: n != len(whole)))
    file.write_bytes((whole + b"\0" * 9)[:num_bytes])
    with pytest.raises(ValueError, match=r"no safetensors file|cut off|too long"):
        read_header(file)


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        "{",
        "\u00e9",
        '{"a": 1}',
        '{"a": {"dtype": "F32", "shape": [1]}}',
        '{"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 4]}}',
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}',
    ],
)
def test_a_header_that_is_damaged_is_refused(tmp_path: Path, document: str) -> None:
    file = tmp_path / "file.safetensors"
    raw = document.encode("latin-1")
    file.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(4))
    with pytest.raises(ValueError, match="its header cannot be read"):
        read_header(file)


def test_a_header_with_holes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.safetensors"
    entry = {"dtype": "F32", "shape": [1]}
    raw = json.dumps({"a": entry | {"data_offsets": [0, 4]}, "b": entry | {"data_offsets": [8, 12]}}).encode()
    file.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(12))
    with pytest.raises(ValueError, match="holes"):
        read_header(file)


def test_a_file_that_could_not_be_finished_leaves_nothing(tmp_path: Path) -> None:
    def fail(name: str, shape: Shape) -> np.ndarray:
        if name == "b":
            raise OSError("no space left")
        return values(name, shape)

    file = tmp_path / "file.safetensors"
    with pytest.raises(OSError, match="no space"):
        write_tensors(file, {"a": (2,), "b": (2,)}, fail)
    assert list(tmp_path.iterdir()) == []
