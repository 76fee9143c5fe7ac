"""The published checkpoint's form: folded as it has to be, and refused with its file's name where it is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.kokoro_files import TINY, random_network, unfolded

from speechmill.actors.models.kokoro.checkpoint.folding import folded, read_checkpoint
from speechmill.actors.models.kokoro.nets.network import KokoroNetwork
from speechmill.errors import ModelError


def test_a_file_of_the_published_form_is_read_to_the_last_tensor(tmp_path: Path) -> None:
    network = random_network()
    with torch.no_grad():
        network.decoder.encode.conv1.weight[3] = 0  # where weight norm would divide by nothing
    torch.save(unfolded(network.state_dict()), tmp_path / "kokoro-v1_0.pth")
    read = read_checkpoint(tmp_path / "kokoro-v1_0.pth")
    KokoroNetwork(TINY).load_state_dict(read, strict=True)
    for name, value in network.state_dict().items():
        assert torch.allclose(read[name].float(), value, rtol=1e-5, atol=1e-7), name


def test_names_may_do_without_the_leading_module(tmp_path: Path) -> None:
    published = unfolded(random_network().state_dict())
    plain = {part: {n.removeprefix("module."): t for n, t in state.items()} for part, state in published.items()}
    torch.save(plain, tmp_path / "kokoro-v1_0.pth")
    KokoroNetwork(TINY).load_state_dict(read_checkpoint(tmp_path / "kokoro-v1_0.pth"), strict=True)


def test_affine_weights_of_instance_norms_may_only_be_those_that_do_nothing() -> None:
    one, zero = {"decoder.encode.norm1.norm.weight": torch.ones(4)}, {"decoder.encode.norm1.norm.bias": torch.zeros(4)}
    assert folded({**one, **zero}) == {}
    with pytest.raises(ValueError, match=r"norm1\.norm\.bias"):
        folded({"decoder.encode.norm1.norm.bias": torch.full((4,), 0.5)})


def test_a_direction_without_its_length_is_named() -> None:
    with pytest.raises(ValueError, match=r"conv1\.weight_v has no .*weight_g"):
        folded({"decoder.encode.conv1.weight_v": torch.ones(2, 2, 3)})


@pytest.mark.parametrize("damage", ["truncated", "another", "empty"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "kokoro-v1_0.pth"
    torch.save(unfolded(random_network().state_dict()), path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:5_000])
    elif damage == "another":
        torch.save({"model": {}}, path)
    else:
        path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"kokoro-v1_0\.pth is no checkpoint of Kokoro"):
        read_checkpoint(path)
