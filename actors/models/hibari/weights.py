"""From the published int8 graph to the network's float32 weights.

Guarantees that a loaded network has every weight of the file and no other: a missing, additional or differently
shaped tensor raises ModelError naming the file. Linear weights are stored int8, per tensor and symmetric, as
[in, out]; the float weight is their exact product with the stored scale.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from ....errors import ModelError
from ..onnx_file import OnnxArray, initializers, read_bytes
from .network import HibariNetwork

_QUANTIZED = "_quantized"
_FIXED = {
    "/Transpose_2_output_0": "text.attention.in_proj",
    "/Transpose_25_output_0": "prosody_text.attention.in_proj",
    "/head": "head",
}
_ENCODER = {"": "text", "_1": "prosody_text", "_4": "prosody_text"}
_PREFIXES = {"m.text.": "text.", "pn.text.": "prosody_text.", "pn.dur.": "duration.", "m.": "", "pn.": ""}
_RENAMED = {"self_attn.in_proj_bias": "in_proj.bias", "self_attn.out_proj": "out_proj", "attn.": "attention."}


def load_network(path: Path) -> HibariNetwork:
    """The network with the weights of `path`, on the CPU.

    Raises:
        ModelError: Naming the file
    """
    network = HibariNetwork()
    try:
        network.load_state_dict(_state(initializers(read_bytes(path), path)), strict=True)
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"hibari: {path} does not hold the weights of this network ({reason}); "
            "name another file, or set model.backend to onnx, which runs any graph of this form"
        ) from error
    return network.eval().requires_grad_(False)


def _state(stored: dict[str, OnnxArray]) -> dict[str, torch.Tensor]:
    state: dict[str, OnnxArray] = {}
    for name, value in stored.items():
        if name.endswith(_QUANTIZED):
            base = name.removesuffix(_QUANTIZED)
            if stored[f"{base}_zero_point"].any():
                raise ValueError(f"{base} has a zero point")
            scaled = value.astype(np.float32) * stored[f"{base}_scale"].astype(np.float32)
            state[_linear_name(base)] = np.ascontiguousarray(scaled.T)
        elif name.startswith(("m.", "pn.")):
            state[_float_name(name)] = value
    return {name: torch.from_numpy(np.array(value)) for name, value in state.items()}


def _linear_name(base: str) -> str:
    """'/convs.0/pw1_1/Transpose_output_0' is 'prosody_text.convs.0.pw1.weight': the suffix tells the encoder."""
    base = base.removesuffix("/Transpose_output_0")
    if base in _FIXED:
        return f"{_FIXED[base]}.weight"
    if found := re.fullmatch(r"/(out_proj|linear[12])(|_4)", base):
        return f"{_ENCODER[found[2]]}.attention.{found[1]}.weight"
    if found := re.fullmatch(r"/convs\.(\d+)/(pw[12])(|_1)", base):
        return f"{_ENCODER[found[3]]}.convs.{found[1]}.{found[2]}.weight"
    return base.removeprefix("/").replace("/", ".") + ".weight"


def _float_name(name: str) -> str:
    for old, new in _RENAMED.items():
        name = name.replace(old, new)
    prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
    return _PREFIXES[prefix] + name.removeprefix(prefix)
