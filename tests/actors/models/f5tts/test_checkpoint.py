"""Checkpoints: the published shapes, random ones that never change, and what is refused."""

from __future__ import annotations

import hashlib
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from speechmill.actors.models.f5tts.checkpoint import weights
from speechmill.actors.models.f5tts.checkpoint.layout import (
    FULL,
    FULL_VOCODER,
    TINY,
    TINY_VOCODER,
    network_tensors,
    vocoder_tensors,
)
from speechmill.actors.models.f5tts.checkpoint.random_weights import random_vocabulary, write_random
from speechmill.actors.models.f5tts.checkpoint.weights import Checkpoint
from speechmill.errors import ModelError

NETWORK = "model_1250000.safetensors"


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def test_the_full_sizes_are_the_published_network() -> None:
    shapes = network_tensors(FULL)
    assert len(shapes) == 364
    assert sum(map(math.prod, shapes.values())) == pytest.approx(337.1e6, rel=1e-4)
    assert sum(map(math.prod, vocoder_tensors(FULL_VOCODER).values())) == pytest.approx(13.5e6, rel=0.01)
    assert len(set(random_vocabulary(FULL.vocab))) == FULL.vocab


def test_a_seed_gives_the_same_bytes(tiny_f5tts: Path, tmp_path: Path) -> None:
    write_random(tmp_path / "again", TINY, TINY_VOCODER, seed=0)
    write_random(tmp_path / "other", TINY, TINY_VOCODER, seed=1)
    digests = [
        [hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in (NETWORK, "vocos/model.safetensors")]
        for folder in (tiny_f5tts, tmp_path / "again", tmp_path / "other")
    ]
    assert digests[0] == digests[1]
    assert not set(digests[0]) & set(digests[2])
    with pytest.raises(ModelError, match="is there already"):
        write_random(tmp_path / "again", TINY, TINY_VOCODER, seed=0)


def test_a_checkpoint_is_opened_with_its_sizes(tiny_f5tts: Path, tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(tiny_f5tts, cache=tmp_path)
    assert checkpoint.sizes == TINY
    assert not checkpoint.is_published
    assert checkpoint.load_network("cpu").keys() == network_tensors(TINY).keys()
    assert checkpoint.load_vocoder("cpu")[0].vocos_hidden == TINY_VOCODER.vocos_hidden


def test_the_forms_in_which_others_save_are_read(tiny_f5tts: Path, tmp_path: Path) -> None:
    """Without the prefix, with counters and constants beside it, in half precision, and a vocoder of torch.save."""
    folder = copy(tiny_f5tts, tmp_path)
    stored = {name.removeprefix("ema_model."): value for name, value in load_file(folder / NETWORK).items()}
    half = {name: value.astype(np.float16) for name, value in stored.items()}
    beside = {"initted": np.ones(1, np.float32), "mel_spec.mel_stft.spectrogram.window": np.ones(4, np.float32)}
    save_file(half | beside, folder / NETWORK)
    vocoder = {name: torch.from_numpy(value) for name, value in load_file(folder / "vocos/model.safetensors").items()}
    (folder / "vocos/model.safetensors").unlink()
    torch.save(vocoder, folder / "vocos/pytorch_model.bin")
    checkpoint = Checkpoint.open(folder, cache=tmp_path)
    name = "transformer.proj_out.weight"
    np.testing.assert_allclose(checkpoint.load_network("cpu")[name].numpy(), stored[name], atol=1e-3)
    assert checkpoint.load_vocoder("cpu")[1].keys() == vocoder.keys()
    assert checkpoint.digest != Checkpoint.open(tiny_f5tts, cache=tmp_path).digest


def test_what_is_missing_or_of_another_model_is_named(tiny_f5tts: Path, tmp_path: Path) -> None:
    def refused(pattern: str, folder: Path) -> None:
        with pytest.raises(ModelError, match=pattern):
            Checkpoint.open(folder, cache=tmp_path / "cache").load_vocoder("cpu")

    refused("does not exist", tmp_path / "nowhere")
    folder = copy(tiny_f5tts, tmp_path)
    stored = load_file(folder / NETWORK)
    gap = {name: value for name, value in stored.items() if "transformer_blocks.1.ff.ff.2.bias" not in name}
    save_file(gap, folder / NETWORK)
    refused(r"lacks the tensor .*transformer_blocks\.1\.ff\.ff\.2\.bias", folder)
    save_file(stored | {"ema_model.more": np.ones(1, np.float32)}, folder / NETWORK)
    refused('unknown tensor "more"', folder)
    save_file(stored | {"ema_model.transformer.proj_out.bias": np.ones(3, np.float32)}, folder / NETWORK)
    refused(r"proj_out\.bias", folder)
    save_file(stored, folder / NETWORK)
    (folder / "vocab.txt").write_text(" \na\n")
    refused("has 2 tokens", folder)
    (folder / "vocab.txt").unlink()
    refused(r"lacks vocab\.txt", folder)
    shutil.copy(tiny_f5tts / "vocab.txt", folder)
    shutil.rmtree(folder / "vocos")
    refused(r"lacks vocos/pytorch_model\.bin", folder)
    (folder / "vocos").mkdir()
    torch.save({"backbone.embed.weight": torch.ones(2, 2, 7)}, folder / "vocos/pytorch_model.bin")
    refused(r"pytorch_model\.bin", folder)


def test_the_base_before_v1_is_refused(tiny_f5tts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shapes are the same, its network is not: it would speak noise without an error."""
    digest = hashlib.sha256((tiny_f5tts / NETWORK).read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "OLDER_BASE", digest)
    with pytest.raises(ModelError, match="before v1"):
        Checkpoint.open(tiny_f5tts, cache=tmp_path)
