"""The choice of slots, kept between runs beside the profiles: one file for each machine and network.

Guaranteed: a damaged or foreign file counts as missing, and the choice is made anew. If several replicas start at once
on a machine, one measures and the others wait for it. A choice from a disturbed measurement holds for these replicas
only.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..batcher.profile import ProfileKey
from ..device.disk_cache import DiskCache, file_name
from ..device.machine import hardware, num_cores, versions
from .slots import Choice

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

LOCK_S = 60.0
"""Seconds that a replica waits for another one that measures the same; then it measures, too."""
_RULES = 2
"""The version of the measurement. After it is raised, choices are made anew."""


def slots_key(model: str, device: torch.device, tried: Sequence[int], network: Mapping[str, object]) -> ProfileKey:
    """The key of a choice on this machine.

    Args:
        network: All else that the time of a step depends on: sizes, number format, number of threads, compilation
    """
    options = json.dumps({"rules": _RULES, "tried": list(tried), **network}, sort_keys=True, default=str)
    where = hardware(device.type) + (f", {num_cores()} cores" if device.type == "cpu" else "")
    return ProfileKey(model, "", "torch", device.type, where, versions("torch", "speechmill"), options)


def kept_choice(
    key: ProfileKey, tried: Sequence[int], choose: Callable[[], Choice], folder: Path | None = None
) -> Choice:
    """The choice kept for exactly this key; else a new choice, which is kept.

    Args:
        tried: The numbers of rows that `choose` tries, at least one, ascending
        folder: Where choices are kept; by default a folder in speechmill's cache folder
    """
    cache, name, began = DiskCache("slots", folder), file_name(asdict(key)), time.time()
    parse = partial(_parse, key=key, tried=tried)
    choice = cache.read(name, parse)
    if choice is not None and choice.is_quiet:
        return choice
    with cache.exclusive(name, LOCK_S):
        choice = cache.read(name, parse)  # another replica may have made the choice while this one waited
        if choice is None or not (choice.is_quiet or cache.changed_s(name) >= began):
            choice = choose()
            logger.info("%d slots, chosen in %.1f s", choice.slots, time.time() - began)
            if not choice.is_quiet:
                logger.warning(
                    "something disturbed the trial of slots: %d, and the next start tries again", choice.slots
                )
            cache.write(name, _encode(key, choice))
    return choice


def _encode(key: ProfileKey, choice: Choice) -> str:
    return json.dumps({"key": asdict(key), "is_quiet": choice.is_quiet, "step_s": dict(choice.step_s)})


def _parse(text: str, key: ProfileKey, tried: Sequence[int]) -> Choice:
    """Read a choice that `_encode` wrote.

    Raises:
        ValueError: The text is no choice for this key
        KeyError: The text is no choice
    """
    body = json.loads(text)
    step_s = {int(slots): float(seconds) for slots, seconds in body["step_s"].items()}
    is_quiet = body["is_quiet"]
    if body["key"] != asdict(key) or not isinstance(is_quiet, bool) or (not is_quiet and step_s):
        raise ValueError("not a choice of slots for this network")
    is_whole = sorted(step_s) == list(tried) and all(0 < seconds < math.inf for seconds in step_s.values())
    if is_quiet and not is_whole:
        raise ValueError(f"not a choice among {list(tried)} slots")
    return Choice(tried[-1], step_s, is_quiet)
