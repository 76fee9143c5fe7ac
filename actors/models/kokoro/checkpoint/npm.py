"""All 54 voices out of the npm package `kokoro-js`, for weights that come with fewer.

Guarantees that nothing is kept unless the archive is the pinned one, byte for byte. Nothing in it is run, and of its
members only those with a voice's name are read.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import urllib.request
from pathlib import Path
from urllib.error import URLError

from .....errors import ModelError
from ....device.disk_cache import cache_folder
from ..voices.names import NAMES
from .published import NPM_PACKAGE, NPM_SHA512, NPM_VERSION

_TIMEOUT_S = 120.0
_REGISTRY = "https://registry.npmjs.org"
_COMMAND = "speechmill weights kokoro --voices npm"


def npm_folder() -> Path:
    """The folder of the voices that were fetched.

    Raises:
        ModelError: They were not fetched here
    """
    folder = voices_folder()
    if missing := [name for name in NAMES if not (folder / f"{name}.bin").is_file()]:
        what = "are not on this machine" if len(missing) == len(NAMES) else f"lack {missing[0]}.bin in {folder}"
        raise ModelError(f"kokoro: the voices of npm {what}; fetch them with: {_COMMAND}")
    return folder


def fetch_npm_voices() -> Path:
    """The folder of the voices, fetched unless they are there.

    The registry is that of the environment variable `NPM_CONFIG_REGISTRY`, or npm's own.

    Raises:
        ModelError: It cannot be had, or is damaged
    """
    folder = voices_folder()
    try:
        return npm_folder()
    except ModelError:
        pass
    registry = os.environ.get("NPM_CONFIG_REGISTRY", _REGISTRY).rstrip("/")
    url = f"{registry}/{NPM_PACKAGE}/-/{NPM_PACKAGE}-{NPM_VERSION}.tgz"
    if not url.startswith(("https://", "http://")):
        raise ModelError(f"NPM_CONFIG_REGISTRY is {registry!r}; it has to begin with https://")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            raw = response.read()
    except (URLError, OSError) as error:
        raise ModelError(f"kokoro: {url} cannot be fetched: {error}; try again, or set NPM_CONFIG_REGISTRY") from error
    return unpack(raw, url, folder)


def unpack(raw: bytes, origin: str, folder: Path) -> Path:
    """Write the voices of an archive into a folder.

    Raises:
        ModelError: For another archive than the pinned one
    """
    if (found := hashlib.sha512(raw).hexdigest()) != NPM_SHA512:
        raise ModelError(
            f"kokoro: {origin} is not {NPM_PACKAGE} {NPM_VERSION} as published (sha512 {found[:16]}…, expected "
            f"{NPM_SHA512[:16]}…); nothing of it was kept"
        )
    wanted = {f"package/voices/{name}.bin": name for name in NAMES}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
            for member in archive:
                if member.name in wanted and (opened := archive.extractfile(member)):
                    beside = folder / f"{wanted[member.name]}.{os.getpid()}.tmp"
                    beside.write_bytes(opened.read())
                    beside.replace(folder / f"{wanted[member.name]}.bin")
    except OSError as error:
        raise ModelError(f"kokoro: the voices cannot be kept in {folder}: {error}; set SPEECHMILL_CACHE") from error
    return npm_folder()


def voices_folder() -> Path:
    """Where they are kept."""
    return cache_folder() / "kokoro" / f"voices-{NPM_PACKAGE}-{NPM_VERSION}"
