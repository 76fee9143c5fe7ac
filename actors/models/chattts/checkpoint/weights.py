"""A ChatTTS checkpoint on disk, checked to the last tensor before anything is loaded.

Guarantees that an opened checkpoint has every file, every tensor in the shape of `layout`, and a digest that changes
with any byte that is read. Opening imports no torch: it reads headers, and hashes what it has not hashed before.
Deliberately knows nothing of what the tensors are for.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .....errors import ModelError
from ...file_digests import sha256
from ...hub import refuse_unreachable
from .checks import ADVICE, check_tensors, check_tokenizer, sizes_of
from .layout import CONFIG_FILE, PART_FILES, STATISTICS_FILE, TOKENIZER_FILE, Part, Sizes, tensors
from .published import PUBLISHED, REPOSITORY, REVISION
from .safetensors_file import TensorEntry, read_header

if TYPE_CHECKING:
    import torch
    from torch import Tensor

logger = logging.getLogger(__name__)

FILES = (*PART_FILES.values(), CONFIG_FILE, TOKENIZER_FILE)
_MOST_JSON_BYTES = 2**26
"""Of a configuration or a tokenizer; the published ones have a megabyte."""
UNREAD: Mapping[Part, frozenset[str]] = {"gpt": frozenset({"embed_tokens.weight"})}
"""Tensors that are never loaded. The language model's own embedding: text and codes are embedded by "embed"."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights, configuration and tokenizer of one model, as files.

    Attributes:
        files: Name as published ("asset/Embed.safetensors") → path on this machine
        sizes: What the shapes follow from
        sha256s: Name as published → digest in hexadecimal
    """

    files: Mapping[str, Path]
    sizes: Sizes
    sha256s: Mapping[str, str]

    @classmethod
    def open(cls, folder: Path | None, *, cache: Path | None = None) -> Checkpoint:
        """The checkpoint in a folder, with or without the leading "asset"; None for the published one, fetched once.

        `cache` is the folder in which "hashes" holds digests of files, by default speechmill's own.

        Raises:
            ModelError: Which names the file, the tensor and what to do, for anything that is missing, damaged or of
                another model
        """
        folder_or_download = fetch() if folder is None else folder
        try:
            files = _found(folder_or_download)
        except OSError as error:
            raise ModelError(f"chattts: model.path {folder_or_download} cannot be read: {error}") from error
        headers = {file: _header(files[file]) for file in PART_FILES.values()}
        sizes = sizes_of(_json(files[CONFIG_FILE]), headers, files)
        check_tensors(headers, sizes, files)
        check_tokenizer(_json(files[TOKENIZER_FILE]), sizes, files[TOKENIZER_FILE])
        memory = cache / "hashes" if cache else None
        checkpoint = cls(files, sizes, {file: _digest(path, memory) for file, path in files.items()})
        if folder is None and not checkpoint.is_published:
            raise ModelError(_damaged_download(checkpoint))
        return checkpoint

    @property
    def digest(self) -> str:
        """One digest of all files, in hexadecimal: another one may sound different."""
        lines = "".join(f"{self.sha256s[file]}  {file}\n" for file in sorted(self.sha256s))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def is_published(self) -> bool:
        """Whether every file is the published one, byte for byte."""
        return all(self.sha256s[file] == published.sha256 for file, published in PUBLISHED.items())

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer in the format of the tokenizers library. It has truncation and padding switched on."""
        return self.files[TOKENIZER_FILE]

    @property
    def statistics_file(self) -> Path | None:
        """Means and deviations of speakers as published, where the folder has them."""
        file = self.files[CONFIG_FILE].parents[1] / Path(STATISTICS_FILE).name
        return file if file.is_file() else None

    def load(self, part: Part, device: torch.device | str, dtype: torch.dtype) -> dict[str, Tensor]:
        """The tensors of a part by name, all in `dtype` on `device`, without those in `UNREAD`.

        On the CPU in float32 they are views of the file, which is mapped and shared between processes.

        Raises:
            ModelError: If the file changed since it was opened
        """
        from safetensors import SafetensorError, safe_open

        path = self.files[PART_FILES[part]]
        names = [name for name in tensors(self.sizes)[PART_FILES[part]] if name not in UNREAD.get(part, ())]
        try:
            with safe_open(path, framework="pt", device=str(device)) as opened:
                return {name: opened.get_tensor(name).to(dtype) for name in names}
        except (OSError, SafetensorError) as error:
            raise ModelError(f"chattts: {path} cannot be loaded: {error}; {ADVICE}") from error


def fetch(hub_cache: Path | None = None) -> Path:
    """The folder of the published files, downloaded at the pinned revision unless the hub's cache has them.

    `hub_cache` is by default where huggingface_hub keeps its files (`HF_HOME`). The licence of the weights is CC BY-NC
    4.0.

    Raises:
        ModelError: If they cannot be had
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        refuse_unreachable(REPOSITORY, FILES[0], REVISION, hub_cache)
        paths = [hf_hub_download(REPOSITORY, file, revision=REVISION, cache_dir=hub_cache) for file in FILES]
        # Only where the hub says that there is none: without the file, a seed is another voice.
        with suppress(RemoteEntryNotFoundError):
            hf_hub_download(REPOSITORY, STATISTICS_FILE, revision=REVISION, cache_dir=hub_cache)
    except Exception as error:  # the hub, its HTTP client and its transfer library share no base
        raise ModelError(
            f"chattts: the weights cannot be fetched from {REPOSITORY}: {error} Fetch the folder elsewhere "
            f"(hf download {REPOSITORY} --revision {REVISION}) and name it in model.path"
        ) from error
    return Path(paths[0]).parents[len(Path(FILES[0]).parts) - 1]


def _found(folder: Path) -> dict[str, Path]:
    """Every file's path. A folder may be the whole download or the "asset" folder of it."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ModelError(f"chattts: model.path {folder} {what}; name the folder that holds {CONFIG_FILE}")
    is_whole = (folder / "asset").is_dir()
    paths = {file: folder / (file if is_whole else Path(file).relative_to("asset")) for file in FILES}
    missing = [str(path.relative_to(folder)) for path in paths.values() if not path.is_file()]
    if missing:
        raise ModelError(
            f"chattts: {folder} lacks {', '.join(missing)}; fetch all files of {REPOSITORY} at revision {REVISION}, "
            "or leave out model.path"
        )
    return paths


def _header(path: Path) -> Mapping[str, TensorEntry]:
    try:
        return read_header(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"chattts: {path} cannot be read: {error}; {ADVICE}") from error


def _json(path: Path) -> object:
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise ValueError(f"it holds more than {_MOST_JSON_BYTES:,} bytes")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"chattts: {path} cannot be read: {error}; {ADVICE}") from error


def _digest(path: Path, memory: Path | None) -> str:
    try:
        return sha256(path, memory)
    except OSError as error:
        raise ModelError(f"chattts: {path} cannot be read: {error}; {ADVICE}") from error


def _damaged_download(checkpoint: Checkpoint) -> str:
    bad = [file for file, published in PUBLISHED.items() if checkpoint.sha256s[file] != published.sha256]
    folder = checkpoint.files[CONFIG_FILE].parents[4]
    return f"chattts: {', '.join(bad)} differ from what was published; delete {folder} and run again to fetch them anew"
