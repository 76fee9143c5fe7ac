"""The published checkpoint `kokoro-v1_0.pth` as one state dict under the network's names, weight norm folded.

Guarantees that nothing of the file is left out in silence: what the network does not use has to be what it can do
without (the pooler, and the affine weights of instance norms, which are 1 and 0), and the network is loaded strictly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from .....errors import ModelError

PARTS = ("bert", "bert_encoder", "predictor", "decoder", "text_encoder")
_UNUSED = re.compile(r"bert\.pooler\.(weight|bias)|bert\.embeddings\.position_ids")
_AFFINE = re.compile(r".*\.norm\.(weight|bias)")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of the published form, float64: folding rounds, and prosody is computed in float64.

    Raises:
        ModelError: A file is missing or damaged; the message names it
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(stored, Mapping) or set(stored) != set(PARTS):
            raise ValueError(f"it has to hold the state dicts {', '.join(PARTS)}")
        return folded(
            {f"{part}.{name.removeprefix('module.')}": t for part in PARTS for name, t in stored[part].items()}
        )
    except Exception as error:  # what a damaged pickle raises can be anything
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"kokoro: {path} is no checkpoint of Kokoro v1.0 ({reason}); fetch the file again") from error


def folded(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weight norm applied: the direction `weight_v` times the length `weight_g`, over all axes but the first.

    Raises:
        ValueError: For an affine weight that is not 1, or 0, and for a direction without its length
    """
    return dict(_folded(published))


def _folded(published: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in published.items():
        value = tensor.double()
        if name.endswith(".weight_v"):
            if (length := published.get(f"{name[:-1]}g")) is None:
                raise ValueError(f"{name} has no {name[:-1]}g beside it")
            norm = value.flatten(1).norm(dim=1).view(-1, *[1] * (value.dim() - 1))
            # Where a channel is zero throughout, it stays so.
            yield name.removesuffix("_v"), value * (length.double().view_as(norm) / norm.clamp(min=1e-30))
        elif _AFFINE.fullmatch(name):
            if not bool((value == (1 if name.endswith("weight") else 0)).all()):
                raise ValueError(f"{name} is not what an instance norm without weights has")
        elif not name.endswith(".weight_g") and not _UNUSED.fullmatch(name):
            yield name, value
