"""The machine in words: what a measurement holds for."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_gpu() -> bool:
    """Whether this machine seems to have a GPU that this process may use; loads no library to find out."""
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not is_hidden and num_gpus() > 0


def num_gpus() -> int:
    """GPUs of NVIDIA that this machine, or this container, seems to have."""
    return sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))


def hardware(device: str) -> str:
    """The GPU ("cuda") or the processor by name."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions(*packages: str) -> str:
    """Installed versions, as in "torch 2.11.0, numpy 2.4.0"."""
    found: list[str] = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
