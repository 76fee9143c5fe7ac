"""The choice of slots kept between runs, beside the profiles: one file for each machine and network.

Guaranteed: a file that is damaged, or of something else, is none, and the choice is made anew; of replicas that start
at once on a machine, one tries and the others wait for it. A choice that something disturbed holds for these alone.
Not known here: how slots are tried.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..batcher.cache import ProfileCache, cache_folder, keep
from ..batcher.profile import ProfileKey
from ..device.machine import hardware, num_cores, versions
from .slots import Choice

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

_RULES = 1
"""The version of how slots are tried: raise it, and they are tried anew."""


def slots_key(model: str, device: torch.device, tried: Sequence[int], network: Mapping[str, object]) -> ProfileKey:
    """What a choice holds for on the machine that this runs on.

    network   all else that the time of a step depends on: sizes, number format, number of threads, how it is computed
    """
    options = json.dumps({"rules": _RULES, "tried": list(tried), **network}, sort_keys=True, default=str)
    where = hardware(device.type) + (f", {num_cores()} cores" if device.type == "cpu" else "")
    return ProfileKey(model, "", "torch", device.type, where, versions("torch", "speechmill"), options)


def kept_choice(
    key: ProfileKey, tried: Sequence[int], choose: Callable[[], Choice], folder: Path | None = None
) -> Choice:
    """The choice kept for exactly this key; else one that is made now, and kept.

    tried    the numbers of rows that `choose` tries, at least one, ascending
    folder   by default one of speechmill's cache folder
    """
    folder, began = folder or cache_folder() / "slots", time.time()
    path = folder / f"{hashlib.sha256(json.dumps(asdict(key), sort_keys=True).encode()).hexdigest()[:16]}.json"
    choice = _read(path, key, tried)
    if choice is not None and choice.is_quiet:
        return choice
    with ProfileCache(folder).measuring(key):
        choice = _read(path, key, tried)  # another replica may have made it while this one waited
        if choice is None or not (choice.is_quiet or _changed(path) >= began):
            choice = choose()
            logger.info("%d slots, chosen in %.1f s", choice.slots, time.time() - began)
            if not choice.is_quiet:
                logger.warning(
                    "something disturbed the trial of slots: %d, and the next start tries again", choice.slots
                )
            _keep(path, key, choice)
    return choice


def _keep(path: Path, key: ProfileKey, choice: Choice) -> None:
    try:
        keep(path, json.dumps({"key": asdict(key), "is_quiet": choice.is_quiet, "step_s": dict(choice.step_s)}))
    except OSError as error:
        logger.warning("the choice of slots is not kept, the next start tries again: %s", error)


def _read(path: Path, key: ProfileKey, tried: Sequence[int]) -> Choice | None:
    try:
        body = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        step_s = {int(slots): float(seconds) for slots, seconds in body["step_s"].items()}
        is_for_key, is_quiet = body["key"] == asdict(key), body["is_quiet"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        logger.warning("%s is not read: %s", path, error)
        return None
    if not is_for_key or not isinstance(is_quiet, bool) or (not is_quiet and step_s):
        return None
    is_whole = sorted(step_s) == list(tried) and all(0 < seconds < math.inf for seconds in step_s.values())
    return Choice(tried[-1], step_s, is_quiet) if is_whole or not is_quiet else None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
