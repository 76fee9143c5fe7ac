"""Checkpoints of MiniCPM-o: only what is for speech is read, in either spelling; what is wrong is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from speechmill.actors.models.minicpmo.checkpoint.layout import FULL, TINY, tensors, vocos_tensors
from speechmill.actors.models.minicpmo.checkpoint.weights import MinicpmoCheckpoint
from speechmill.errors import ModelError

SHARDS = ("model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors")


@pytest.fixture
def folder(minicpmo_folder: Path, tmp_path: Path) -> Path:
    """A copy for this test alone."""
    return Path(shutil.copytree(minicpmo_folder, tmp_path / "weights"))


def opened(folder: Path) -> MinicpmoCheckpoint:
    return MinicpmoCheckpoint.open(folder, cache=folder.parent / "cache")


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    """Change the tensors of both shards, and the index with them."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"] = {}
    for shard in SHARDS:
        state = load_file(folder / shard)
        change(state)
        save_file(state, folder / shard)
        index["weight_map"] |= dict.fromkeys(state, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_sizes_are_read_from_configuration_and_shapes(minicpmo_folder: Path) -> None:
    checkpoint = opened(minicpmo_folder)
    network, _ = checkpoint.load_vocos("cpu")
    assert (checkpoint.sizes.llm_dim, checkpoint.sizes.schedule) == (TINY.llm_dim, TINY.schedule)
    for name in ("hidden", "ffn", "num_layers", "num_heads", "text_vocab", "dvae_dim", "dvae_hidden", "dvae_blocks"):
        assert getattr(checkpoint.sizes.network, name) == getattr(TINY.network, name)
    for name in ("vocos_hidden", "vocos_ffn", "vocos_blocks"):
        assert getattr(network, name) == getattr(TINY.network, name)


def test_the_published_sizes_have_the_published_number_of_parameters() -> None:
    """Of the language model 212 million, of the vocoder 13.5 million."""
    shapes = tensors(FULL)
    count = {part: sum(torch.Size(shape).numel() for shape in shapes[part].values()) for part in shapes}
    assert count["model"] + count["embed"] + count["projector"] == pytest.approx(212e6, rel=5e-3)
    vocos = [shape for name, shape in vocos_tensors(FULL).items() if name.startswith(("backbone.", "head.out"))]
    assert sum(torch.Size(shape).numel() for shape in vocos) == pytest.approx(13.5e6, rel=5e-3)


def test_other_spellings_and_number_formats_of_the_same_weights_are_read(folder: Path) -> None:
    """Weight norm as older torch spells it; the scale of blocks as ChatTTS does; bfloat16."""
    before = {part: opened(folder).load(part, "cpu", torch.float32) for part in ("embed", "dvae")}  # type: ignore[arg-type]

    def respell(state: dict[str, Tensor]) -> None:
        for name in list(state):
            other = name.replace("parametrizations.weight.original0", "weight_g")
            other = other.replace("parametrizations.weight.original1", "weight_v")
            if ".decoder_block." in other and other.endswith(".coef"):
                other = other.replace(".coef", ".weight")
            state[other] = state.pop(name).to(torch.bfloat16)

    rewrite(folder, respell)
    for part, values in before.items():
        after = opened(folder).load(part, "cpu", torch.float32)  # type: ignore[arg-type]
        assert after.keys() == values.keys()
        for name, value in values.items():
            torch.testing.assert_close(after[name], value, rtol=1e-2, atol=1e-3)


def test_one_file_without_an_index_is_read(folder: Path) -> None:
    digests = {opened(folder).sizes}
    save_file({**load_file(folder / SHARDS[0]), **load_file(folder / SHARDS[1])}, folder / "model.safetensors")
    (folder / "model.safetensors.index.json").unlink()
    assert opened(folder).sizes in digests


def test_other_tensors_are_not_looked_at_and_do_not_count(folder: Path) -> None:
    before = opened(folder).digest

    def add(state: dict[str, Tensor]) -> None:
        state["llm.lm_head.weight"] = torch.zeros(3)

    rewrite(folder, add)
    assert opened(folder).digest == before

    def change(state: dict[str, Tensor]) -> None:
        if "tts.emb_text.weight" in state:
            state["tts.emb_text.weight"][5] += 1

    rewrite(folder, change)
    assert opened(folder).digest != before


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model_type", "minicpmtts", "4.5 and later speak in another way"),
        ("num_vq", 1, "has num_vq 1, and the model here needs 4"),
        ("hidden_size", "wide", "has hidden_size 'wide', expected a whole number"),
        ("audio_bos_token_id", 7, r"\[Ptts\] is "),
    ],
)
def test_a_configuration_of_another_model_is_refused(folder: Path, key: str, value: object, message: str) -> None:
    document = json.loads((folder / "config.json").read_text())
    document["tts_config"][key] = value
    (folder / "config.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=message):
        opened(folder)


def test_what_is_missing_is_named(folder: Path) -> None:
    def lose(state: dict[str, Tensor]) -> None:
        state.pop("tts.projector.linear2.bias", None)

    rewrite(folder, lose)
    with pytest.raises(ModelError, match=r'lacks the tensor "tts\.projector\.linear2\.bias"'):
        opened(folder)
    (folder / SHARDS[1]).unlink()
    with pytest.raises(ModelError, match=f"lacks {SHARDS[1]}, which has tensors of tts"):
        opened(folder)
    (folder / "assets" / "Vocos.pt").unlink()
    with pytest.raises(ModelError, match=r"lacks assets/Vocos\.pt"):
        opened(folder)


@pytest.mark.parametrize("place", ["../elsewhere.safetensors", "/etc/passwd", 3])
def test_an_index_cannot_lead_out_of_the_folder(folder: Path, place: object) -> None:
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"tts.emb_text.weight": place}}))
    with pytest.raises(ModelError, match="which is no file beside it"):
        opened(folder)


def test_a_vocoder_that_is_no_tensors_is_refused(folder: Path) -> None:
    checkpoint = opened(folder)
    torch.save([1, 2], folder / "assets" / "Vocos.pt")
    with pytest.raises(ModelError, match="does not hold tensors by name"):
        checkpoint.load_vocos("cpu")
