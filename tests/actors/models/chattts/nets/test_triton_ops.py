"""The fused kernels: run by Triton's interpreter, and compiled for GPUs that need not be there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.integration
triton = pytest.importorskip("triton", reason="comes with torch for CUDA")

INTERPRETED = """
import json, sys
import torch
from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.network import Attended
from speechmill.actors.engine.region import Region
from speechmill.actors.models.chattts.nets import triton_ops
from speechmill.actors.models.chattts.nets.layer_ops import LayerOps, rotation

torch.manual_seed(0)
torch.set_num_threads(1)
HEADS, SIZE, FIRST, AT = 2, 12, 1, torch.tensor([[5], [530]])
HIDDEN, CPU, found = HEADS * SIZE, torch.device("cpu"), {}
launches = []
launch = triton_ops.launched
def launched(kernel, *arguments):
    launches.append(kernel.__name__)
    launch(kernel, *arguments)
triton_ops.launched = launched

def apart(one, other):
    return float((one.float() - other.float()).abs().max() / other.float().abs().max())

for kind in (torch.float32, torch.bfloat16):
    lines = rotation(SIZE, 600, kind, CPU)
    plain, fused = (ops(lines, HEADS, is_exact=False) for ops in (LayerOps, triton_ops.TritonOps))
    slab = torch.randn(2, 5, HEADS, 600, SIZE).to(kind)
    caches = [Cache(1, 5, HEADS, 600, SIZE, kind, CPU) for _ in range(2)]
    for cache in caches:
        cache.layer(0).copy_(slab)
    differ = found[str(kind)] = {}

    # A prompt, then a step: queries, the cache, what is seen.
    prompt = Attended(torch.tensor([[0, 1], [7, 8]]))
    passes = (("prompt", prompt, 64), ("step", Attended(AT), 576))
    for name, attended, reach in passes if kind == torch.float32 else passes[1:]:
        qkv = torch.randn(2, attended.at.shape[1], 3 * HIDDEN).to(kind)
        shared = [ops.inputs(cache, FIRST, attended, reach) for ops, cache in zip((plain, fused), caches)]
        queries = [ops.place(qkv.clone(), 0, s) for ops, s in zip((plain, fused), shared)]
        seen = [ops.seen(queries[0].contiguous(), 0, s) for ops, s in zip((plain, fused), shared)]
        differ[name + "_query"] = apart(queries[1], queries[0])
        differ[name + "_cache"] = apart(caches[1].layer(0), caches[0].layer(0))
        differ[name + "_seen"] = apart(seen[1], seen[0])

    if kind == torch.float32:
        # Without its neighbours and with another reach, to the bit; nothing is read that is not attended to.
        query, together = queries[0], seen[1]
        alone = fused.inputs(caches[1], FIRST + 1, Attended(AT[1:]), 600)
        # A row behind the reach, as one that takes no part in a step: what lies behind the splits is not touched.
        made, sizes = torch.empty, []
        def guarded(*shape, **how):
            whole = made(*shape, **how)
            sizes.append(shape)
            room = made(whole.numel() + 4_096, **{**how, "dtype": whole.dtype}).fill_(torch.nan)
            return room[: whole.numel()].view(whole.shape)
        torch.empty = guarded
        beyond = fused.seen(query, 0, fused.inputs(caches[1], FIRST, Attended(torch.tensor([[5], [599]])), 256))
        torch.empty = made
        assert sizes[0][2] == 1
        all_of_reach = plain.seen(query, 0, plain.inputs(caches[1], FIRST, Attended(torch.tensor([[5], [255]])), 256))
        differ["beyond"] = apart(beyond, all_of_reach) if beyond.isfinite().all() else 1.0
        differ["alone"] = 0.0 if torch.equal(fused.seen(query[1:], 0, alone), together[1:]) else 1.0
        region = Attended.in_region(AT, Region(515, lambda at: 1, 1), torch.tensor([6, 150]))
        expected = plain.seen(query, 0, plain.inputs(caches[1], FIRST, region, 576))
        for row, is_seen in enumerate(region.mask(600)[:, 0]):
            caches[1].layer(0)[:, FIRST + row, :, ~is_seen] = torch.nan
        differ["region"] = apart(fused.seen(query, 0, fused.inputs(caches[1], FIRST, region, 576)), expected)

    x, branch, weight, norm = (torch.randn(*shape).to(kind) for shape in ((2, 1, 24), (2, 1, 40), (24, 40), (24,)))
    joined = [ops.joined(x, branch, weight, norm) for ops in (fused, plain)]
    for name, one, other in zip(("sum", "norm"), *joined):
        differ[name] = apart(one, other)
    differ["first_norm"] = apart(fused.norm(x, norm), plain.norm(x, norm))
    differ["gated"] = apart(fused.gated(qkv), plain.gated(qkv))

# One layer of a step.
launches.clear()
shared = fused.inputs(caches[1], FIRST, Attended(AT), 576)
fused.seen(fused.place(qkv, 0, shared), 0, shared)
fused.gated(qkv)
fused.joined(x, branch, weight, norm), fused.joined(x, branch, weight, norm)
found["launches"] = launches
print(json.dumps(found))
"""

TYPES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "_add_norm": ({"HAS_BRANCH": True, "BLOCK": 1024}, {"width": "i32", "eps": "fp32"}),
    "_place": ({"BLOCK": 32}, {"at": "*i64", "kind_stride": "i64"}),
    "_attend_split": (
        {"HAS_SHOWN": True, "SPLIT": 256, "BLOCK": 64, "SIZE": 64},
        {"at": "*i64", "shown": "*i64", "kind_stride": "i64", "scale": "fp32"}
        | dict.fromkeys(("partial", "top", "weight"), "*fp32"),
    ),
    "_join_splits": (
        {"SPLIT": 256, "MOST": 16, "SIZE": 64},
        {"at": "*i64"} | dict.fromkeys(("partial", "top", "weight"), "*fp32"),
    ),
    "_gated": ({"BLOCK": 1024}, {"width": "i32"}),
}
"""Of each kernel: its constants, and the types of arguments that are no pointers to numbers of the weights."""

NUMBERS = ("behind", "first", "time", "heads", "size", "splits", "slot_stride", "head_stride")


@pytest.fixture(scope="module")
def interpreted() -> dict[str, Any]:
    """What the interpreter found: it has to be chosen before Triton is imported."""
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(("kind", "allowed"), [(torch.float32, 2e-6), (torch.bfloat16, 0.02)])
def test_fused_kernels_compute_what_torch_does(interpreted: dict[str, Any], kind: torch.dtype, allowed: float) -> None:
    differ = dict(interpreted[str(kind)])
    assert differ.pop("alone", 0) == 0
    assert {"step_cache", "step_seen", "norm", "gated"} <= set(differ)
    assert max(differ.values()) <= allowed, differ


def test_a_layer_of_a_step_is_ten_launches(interpreted: dict[str, Any]) -> None:
    """Six of kernels and four of products."""
    assert sorted(interpreted["launches"]) == [
        "_add_norm", "_add_norm", "_attend_split", "_gated", "_join_splits", "_place",
    ]  # fmt: skip


@pytest.mark.parametrize("capability", [pytest.param(80, marks=pytest.mark.soak), 90])
def test_kernels_compile_for_a_gpu(capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the interpreter lets pass, the compiler may refuse: a type in a tuple, say."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from speechmill.actors.models.chattts.nets import triton_ops

    for name, (constants, types) in TYPES.items():
        kernel = getattr(triton_ops, name)
        known = dict.fromkeys(NUMBERS, "i32") | types | dict.fromkeys(constants, "constexpr")
        signature = {argument: known.get(argument, "*bf16") for argument in kernel.arg_names}
        source = ASTSource(kernel, signature, constexprs=constants)
        # What the last step, the assembler, refuses does not depend on how much it optimises; that takes seconds.
        quick = {"ptx_options": "--opt-level 0"}
        compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=quick)
        assert len(compiled.asm["cubin"]) > 0
