"""A folder of Kokoro weights in the form in which they are published, made from a network: to load, and to compare."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from speechmill.actors.models.kokoro.checkpoint.folding import PARTS
from speechmill.actors.models.kokoro.nets.network import KokoroNetwork
from speechmill.actors.models.kokoro.nets.sizes import Sizes, config_of

TINY = Sizes(hidden=16, style=8, durations=4, generator=16, bert=24, bert_heads=2, bert_inner=32, bert_layers=2)
VOICES = ("af_heart", "am_puck", "bf_emma", "jf_alpha", "zm_yunxi")
ROWS = 510
_PLAIN = re.compile(r".*(F0_proj|N_proj|noise_convs\.\d)\.weight")


def random_network(sizes: Sizes = TINY, seed: int = 0) -> KokoroNetwork:
    """A network that is not tuned: it makes noise, and each of its numbers matters."""
    torch.manual_seed(seed)
    network = KokoroNetwork(sizes).eval().requires_grad_(False)
    for name, value in network.named_parameters():
        if "alpha" in name:
            value.uniform_(0.5, 2.0)
        elif name.endswith("norm.bias") or "LayerNorm" in name or ".fc." in name:
            value.normal_(float(name.endswith("LayerNorm.weight")), 0.2)
    network.predictor.F0_proj.bias.fill_(120.0)
    network.predictor.duration_proj["linear_layer"].bias.normal_(0.0, 1.0)
    return network


def unfolded(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """A state dict as the published file has it: five parts, "module." before each name, weight norm not applied."""
    published: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        if value.dim() == 3 and name.endswith(".weight") and not _PLAIN.fullmatch(name):
            norm = value.flatten(1).norm(dim=1).view(-1, 1, 1)
            published[part][f"module.{rest}_g"] = norm
            published[part][f"module.{rest}_v"] = torch.where(norm > 0, 2 * value, torch.ones_like(value))
        else:
            published[part][f"module.{rest}"] = value
    width = state["bert_encoder.weight"].shape[1]
    published["bert"]["module.pooler.weight"] = torch.zeros(width, width)
    published["bert"]["module.pooler.bias"] = torch.zeros(width)
    return published


def write_config(folder: Path, sizes: Sizes) -> Path:
    """`config.json`, with the few keys that upstream reads and this project does not."""
    vocabulary = {chr(code): code for code in range(33, 126)}
    config = {**config_of(sizes), "vocab": vocabulary, "dropout": 0.0, "n_mels": 80}
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def write_folder(folder: Path, sizes: Sizes = TINY, seed: int = 0) -> Path:
    """Weights of `random_network` and random voices, with the names that are published."""
    (folder / "voices").mkdir(parents=True)
    write_config(folder, sizes)
    torch.save(unfolded(random_network(sizes, seed).state_dict()), folder / "kokoro-v1_0.pth")
    for name in VOICES:
        torch.save(torch.randn(ROWS, 1, 2 * sizes.style), folder / "voices" / f"{name}.pt")
    return folder
