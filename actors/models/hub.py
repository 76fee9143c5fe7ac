"""Whether the Hugging Face hub can be reached: one short try, before its client tries five times for half a minute."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

_TIMEOUT_S = 5.0


def refuse_unreachable(repository: str, file: str, revision: str, cache: Path | None = None) -> None:
    """Raise ConnectionError if a file has to be fetched, and the hub cannot be reached.

    A file that the hub's cache has needs no hub. Through a proxy nothing is tried.

    Args:
        file: One of those that are wanted
        cache: The hub's cache, where it is not in its usual place
    """
    from huggingface_hub import constants, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(repository, file, cache_dir=cache, revision=revision), str) or getproxies():
        return
    place = urlsplit(constants.ENDPOINT)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        socket.create_connection((place.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise ConnectionError(f"{constants.ENDPOINT} cannot be reached ({error}).") from error
