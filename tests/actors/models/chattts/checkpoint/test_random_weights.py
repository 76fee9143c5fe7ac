"""Random checkpoints: the same bytes for the same seed, the published shapes, and nothing overwritten."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from speechmill.actors.models.chattts.checkpoint import random_weights
from speechmill.actors.models.chattts.checkpoint.layout import (
    CONFIG_FILE,
    FULL,
    PART_FILES,
    TINY,
    TOKENIZER_FILE,
    TensorShape,
    tensors,
)
from speechmill.actors.models.chattts.checkpoint.published import PUBLISHED
from speechmill.actors.models.chattts.checkpoint.random_weights import config_json, write_random
from speechmill.actors.models.chattts.checkpoint.safetensors_file import header_bytes, read_header
from speechmill.errors import ModelError

FILES = (*PART_FILES.values(), CONFIG_FILE, TOKENIZER_FILE)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tiny_folder: Path, tmp_path: Path) -> None:
    write_random(tmp_path / "again", TINY, seed=0)
    write_random(tmp_path / "other", TINY, seed=1)
    first, again, other = map(digests, (tiny_folder, tmp_path / "again", tmp_path / "other"))
    assert set(first) == set(FILES)
    assert again == first
    assert [file for file in FILES if other[file] == first[file]] == [CONFIG_FILE, TOKENIZER_FILE]


def test_the_values_of_a_seed_never_change(tiny_folder: Path) -> None:
    """Figures that were measured with a random checkpoint can be measured again."""
    embed = load_file(tiny_folder / PART_FILES["embed"])
    found = embed["emb_code.0.weight"][0, :3]
    np.testing.assert_allclose(found, [-0.008011037, 0.07727853, -0.011979380], rtol=1e-6)


def test_a_tensor_does_not_depend_on_the_number_of_others(tiny_folder: Path, tmp_path: Path) -> None:
    write_random(tmp_path, replace(TINY, num_layers=1), seed=0)
    fewer, all_layers = load_file(tmp_path / PART_FILES["gpt"]), load_file(tiny_folder / PART_FILES["gpt"])
    assert fewer.keys() < all_layers.keys()
    for name, values in fewer.items():
        np.testing.assert_array_equal(values, all_layers[name])


def test_no_tensor_is_without_effect(tiny_folder: Path) -> None:
    """A norm of ones or a bias of zeros could be left out and nobody would hear it."""
    for file, shapes in tensors(TINY).items():
        for name, values in load_file(tiny_folder / file).items():
            assert np.isfinite(values).all(), name
            assert values.shape == shapes[name]
            assert values.size == 1 or values.std() > 1e-3, name


def test_the_header_of_the_full_size_is_the_published_layout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All but the values: what is written is taken before 1.2 GB of them are drawn."""
    written: dict[str, int] = {}

    def note(file: Path, shapes: dict[str, TensorShape], values: object, metadata: dict[str, str] | None) -> None:
        name = file.relative_to(tmp_path).as_posix()
        assert shapes == tensors(FULL)[name]
        header = header_bytes(shapes, metadata)
        written[name] = len(header) + 4 * sum(int(np.prod(shape)) for shape in shapes.values())

    monkeypatch.setattr(random_weights, "write_tensors", note)
    write_random(tmp_path, FULL, seed=0)
    assert written == {file: PUBLISHED[file].num_bytes for file in PART_FILES.values()}
    assert json.loads((tmp_path / CONFIG_FILE).read_text())["vocab_size"] == 32_000


@pytest.mark.parametrize("file", PART_FILES.values())
def test_a_file_holds_the_layout(tiny_folder: Path, file: str) -> None:
    header = read_header(tiny_folder / file)
    assert {name: entry.shape for name, entry in header.items()} == tensors(TINY)[file]
    assert {entry.dtype for entry in header.values()} == {"F32"}


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_overwritten(tmp_path: Path, file: str) -> None:
    there = tmp_path / file
    there.parent.mkdir(parents=True)
    there.write_text("mine")
    with pytest.raises(ModelError, match="is there already; name an empty folder") as caught:
        write_random(tmp_path, TINY, seed=0)
    assert str(there) in str(caught.value)
    assert digests(tmp_path).keys() == {file}
    assert there.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"file/below cannot be written: "):
        write_random(tmp_path / "file" / "below", TINY, seed=0)


def test_a_full_disk_leaves_no_half_of_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fill(*_: object) -> np.ndarray:
        raise OSError("no space left")

    monkeypatch.setattr(random_weights, "_window", fill)
    with pytest.raises(ModelError, match="no space left"):
        write_random(tmp_path, TINY, seed=0)
    assert not list(tmp_path.rglob("*.partial"))
    shutil.rmtree(tmp_path / "asset")
    assert json.loads(config_json(TINY))["hidden_size"] == TINY.hidden
