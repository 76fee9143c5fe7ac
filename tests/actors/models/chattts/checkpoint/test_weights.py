"""Checkpoints opened, told apart, refused and loaded."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from speechmill.actors.models.chattts.checkpoint import weights
from speechmill.actors.models.chattts.checkpoint.layout import (
    CONFIG_FILE,
    PART_FILES,
    STATISTICS_FILE,
    TINY,
    TOKENIZER_FILE,
    Part,
    tensors,
)
from speechmill.actors.models.chattts.checkpoint.published import PUBLISHED, REPOSITORY, REVISION
from speechmill.actors.models.chattts.checkpoint.weights import FILES, UNREAD, Checkpoint, fetch
from speechmill.errors import ModelError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def opened(folder: Path, cache: Path) -> Checkpoint:
    return Checkpoint.open(folder, cache=cache)


def test_a_folder_is_opened_with_and_without_the_asset_level(tiny_folder: Path, cache: Path) -> None:
    whole, inner = opened(tiny_folder, cache), opened(tiny_folder / "asset", cache)
    for checkpoint in (whole, inner):
        assert checkpoint.sizes == TINY
        assert set(checkpoint.files) == set(checkpoint.sha256s) == set(FILES) == set(PUBLISHED)
        assert checkpoint.files == {file: tiny_folder / file for file in FILES}
        assert checkpoint.tokenizer_file == tiny_folder / TOKENIZER_FILE
        assert not checkpoint.is_published
    assert whole.digest == inner.digest


@settings(
    max_examples=min(20, settings.default.max_examples // 2),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(list(PART_FILES.values())), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_the_digest_changes_with_any_byte_of_any_tensor(
    own_folder: Path, cache: Path, file: str, where: float, change: int
) -> None:
    path = own_folder / file
    before = opened(own_folder, cache).digest
    content = path.read_bytes()
    first = 8 + int.from_bytes(content[:8], "little")
    at = first + int(where * (len(content) - first))
    path.write_bytes(content[:at] + bytes([content[at] ^ change]) + content[at + 1 :])
    assert opened(own_folder, cache).digest != before
    path.write_bytes(content)
    assert opened(own_folder, cache).digest == before


@pytest.mark.parametrize("file", [CONFIG_FILE, TOKENIZER_FILE])
def test_the_digest_changes_with_configuration_and_tokenizer(own_folder: Path, cache: Path, file: str) -> None:
    before = opened(own_folder, cache).digest
    (own_folder / file).write_bytes((own_folder / file).read_bytes() + b"\n")
    assert opened(own_folder, cache).digest != before


def test_a_file_that_is_not_read_changes_nothing(own_folder: Path, cache: Path) -> None:
    before = opened(own_folder, cache).digest
    (own_folder / "asset" / "README.md").write_text("more")
    assert opened(own_folder, cache).digest == before


def test_statistics_of_speakers_are_optional(own_folder: Path, cache: Path) -> None:
    assert opened(own_folder, cache).statistics_file is None
    (own_folder / STATISTICS_FILE).write_bytes(b"")
    assert opened(own_folder, cache).statistics_file == own_folder / STATISTICS_FILE
    assert opened(own_folder / "asset", cache).statistics_file == own_folder / STATISTICS_FILE


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_missing_is_named(own_folder: Path, cache: Path, file: str) -> None:
    (own_folder / file).unlink()
    with pytest.raises(ModelError) as caught:
        opened(own_folder, cache)
    assert f"{own_folder} lacks {file}; fetch all files of {REPOSITORY}" in str(caught.value)


@pytest.mark.parametrize("file", PART_FILES.values())
@pytest.mark.parametrize("kept", [0, 7, 40, -1])
def test_a_file_that_is_cut_off_is_named(own_folder: Path, cache: Path, file: str, kept: int) -> None:
    content = (own_folder / file).read_bytes()
    (own_folder / file).write_bytes(content[:kept])
    with pytest.raises(ModelError, match=r"cannot be read: it is (no safetensors file|cut off)") as caught:
        opened(own_folder, cache)
    assert f"chattts: {own_folder / file} cannot" in str(caught.value)


@pytest.mark.parametrize("file", [CONFIG_FILE, TOKENIZER_FILE])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null"])
def test_a_json_file_that_is_damaged_is_named(own_folder: Path, cache: Path, file: str, content: bytes) -> None:
    (own_folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be read|is no") as caught:
        opened(own_folder, cache)
    assert str(own_folder / file) in str(caught.value)


def test_files_of_another_checkpoint_are_refused(own_folder: Path, cache: Path) -> None:
    shutil.copy(own_folder / PART_FILES["dvae"], own_folder / PART_FILES["decoder"])
    with pytest.raises(ModelError, match=r"Decoder\.safetensors"):
        opened(own_folder, cache)


def test_a_model_of_another_kind_is_refused(own_folder: Path, cache: Path) -> None:
    config = json.loads((own_folder / CONFIG_FILE).read_text())
    (own_folder / CONFIG_FILE).write_text(json.dumps(config | {"num_vq": 8}))
    with pytest.raises(ModelError, match=r"config\.json has num_vq 8, and the model here needs 4"):
        opened(own_folder, cache)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"model\.path .*file is a file; name the folder that holds asset/gpt"):
        opened(tmp_path / "file", cache)
    with pytest.raises(ModelError, match=r"model\.path .*gone does not exist; name the folder"):
        opened(tmp_path / "gone", cache)
    with pytest.raises(ModelError, match=r"lacks gpt/model\.safetensors, Embed\.safetensors, "):
        opened(tmp_path, cache)


# ------------------------------------------------------------------ loading


@pytest.mark.parametrize("part", PART_FILES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_tensor_of_the_layout_is_loaded_but_those_that_nothing_reads(
    tiny_folder: Path, cache: Path, part: Part, dtype: torch.dtype
) -> None:
    found = opened(tiny_folder, cache).load(part, "cpu", dtype)
    file = PART_FILES[part]
    assert found.keys() == tensors(TINY)[file].keys() - UNREAD.get(part, frozenset())
    for name, values in load_file(tiny_folder / file).items():
        if name in found:
            assert found[name].dtype == dtype
            assert torch.equal(found[name], values.to(dtype))


def test_only_the_language_models_own_embedding_is_unread() -> None:
    assert dict(UNREAD) == {"gpt": {"embed_tokens.weight"}}


def test_a_file_that_changed_after_it_was_opened_is_named(own_folder: Path, cache: Path) -> None:
    checkpoint = opened(own_folder, cache)
    file = own_folder / PART_FILES["vocos"]
    file.write_bytes(b"no longer")
    with pytest.raises(ModelError, match=r"Vocos\.safetensors cannot be loaded: .*; fetch the file again"):
        checkpoint.load("vocos", "cpu", torch.float32)
    file.unlink()
    with pytest.raises(ModelError, match=r"Vocos\.safetensors cannot be loaded: "):
        checkpoint.load("vocos", "cpu", torch.float32)


# ------------------------------------------------------------------ fetching


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hub's address is a port of this machine where nobody listens."""
    from huggingface_hub import constants

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening: it refuses
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        )
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(
            "huggingface_hub.utils._http.time.sleep", lambda _: None
        )  # it tries five times, ever slower
        yield


@pytest.mark.usefixtures("no_network")
def test_without_a_network_it_is_said_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        fetch(tmp_path)
    message = str(caught.value)
    assert f"cannot be fetched from {REPOSITORY}" in message
    assert f"hf download {REPOSITORY} --revision {REVISION}" in message
    assert "model.path" in message


def hub_cache(folder: Path, weights_folder: Path) -> Path:
    """The published revision as huggingface_hub keeps it, with these files in it."""
    kept = folder / f"models--{REPOSITORY.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    shutil.copytree(weights_folder, kept / "snapshots" / REVISION)
    return kept / "snapshots" / REVISION


@pytest.mark.usefixtures("no_network")
def test_files_that_the_hub_has_kept_need_no_network(tiny_folder: Path, tmp_path: Path) -> None:
    snapshot = hub_cache(tmp_path, tiny_folder)
    (snapshot / STATISTICS_FILE).write_bytes(b"")
    assert fetch(tmp_path) == snapshot


@pytest.mark.usefixtures("no_network")
def test_statistics_that_could_not_be_asked_for_are_not_taken_for_none(tiny_folder: Path, tmp_path: Path) -> None:
    """Without them the same seed is another voice."""
    hub_cache(tmp_path, tiny_folder)
    with pytest.raises(ModelError, match="cannot be fetched"):
        fetch(tmp_path)


def test_a_download_that_is_not_what_was_published_is_refused(
    tiny_folder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = hub_cache(tmp_path, tiny_folder)
    monkeypatch.setattr(weights, "fetch", lambda: snapshot)
    with pytest.raises(ModelError, match="differ from what was published; delete") as caught:
        Checkpoint.open(None, cache=cache)
    assert str(tmp_path / f"models--{REPOSITORY.replace('/', '--')}") in str(caught.value)
    assert f"{snapshot}" not in str(caught.value)


def test_values_are_read_as_they_are_written(tiny_folder: Path, cache: Path) -> None:
    coef = opened(tiny_folder, cache).load("decoder", "cpu", torch.float32)["coef"]
    assert np.abs(coef.numpy() - 1).max() < 1
