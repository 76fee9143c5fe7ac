"""An F5-TTS checkpoint on disk: network, vocabulary and vocoder, checked before anything is loaded.

Guarantees that an opened checkpoint has every file, every tensor of the network in the shape of `layout`, and a digest
that changes with any byte that is read. Opening imports no torch: it reads headers, and hashes what it has not hashed
before. A vocoder that was saved by `torch.save` is checked when it is loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .....errors import ModelError
from ...chattts.checkpoint.safetensors_file import TensorEntry, read_header
from ...file_digests import sha256
from ...hub import refuse_unreachable
from ...untrusted import load_pickled
from ..text.tokens import Vocabulary
from .layout import (
    FULL_VOCODER,
    NUM_GROUPS,
    PREFIX,
    F5Sizes,
    TensorShape,
    VocoderSizes,
    network_tensors,
    vocoder_tensors,
)
from .published import (
    OLDER_BASE,
    QUOTED,
    REPOSITORY,
    REVISION,
    VOCABULARY_FILE,
    VOCODER_FILE,
    VOCODER_REPOSITORY,
    VOCODER_REVISION,
    WEIGHTS_FILE,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ADVICE = "fetch the file again, or leave out model.path for the published weights"
VOCODER_NAMES = ("vocos/model.safetensors", "vocos/pytorch_model.bin")
_BESIDE = ("initted", "step", f"{PREFIX}mel_spec.", "mel_spec.")
"""What a file may hold besides: counters of the training, constants of the mel transform."""
_DTYPES = ("F32", "F16", "BF16")
_MOST_VOCODER_BYTES = 2**28
_MOST_BLOCKS = 512


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Network, vocabulary and vocoder of one model.

    Attributes:
        weights, vocabulary, vocoder: Files on this machine
        sizes: What the network's shapes follow from
        sha256s: The digest of each of the three, in hexadecimal
        prefix: Before the names in `weights`
    """

    weights: Path
    vocabulary: Path
    vocoder: Path
    sizes: F5Sizes
    sha256s: tuple[str, str, str]
    prefix: str

    @classmethod
    def open(cls, folder: Path | None, *, cache: Path | None = None) -> Checkpoint:
        """The checkpoint in a folder; None for the published one, which is fetched once.

        `cache` is the folder in which "hashes" holds digests of files, by default speechmill's own.

        Raises:
            ModelError: Which names the file, the tensor and what to do, for anything that is missing, damaged or of
                another model
        """
        files = fetch() if folder is None else _found(folder)
        weights, vocabulary, vocoder = files
        header = _header(weights)
        prefix = PREFIX if any(name.startswith(PREFIX) for name in header) else ""
        found = {name.removeprefix(prefix): entry for name, entry in header.items() if not name.startswith(_BESIDE)}
        sizes = _sizes_of(found, weights)
        _check(found, network_tensors(sizes), weights)
        if (known := len(Vocabulary.read(vocabulary))) != sizes.vocab:
            raise ModelError(f"f5tts: {vocabulary} has {known} tokens, and {weights} was trained with {sizes.vocab}")
        if vocoder.suffix == ".safetensors":
            entries = _header(vocoder)
            _check(entries, vocoder_tensors(vocoder_sizes({n: e.shape for n, e in entries.items()}, vocoder)), vocoder)
        memory = cache / "hashes" if cache else None
        digests = (_digest(weights, memory), _digest(vocabulary, memory), _digest(vocoder, memory))
        if digests[0] == OLDER_BASE:
            raise ModelError(f"f5tts: {weights} is the base before v1, whose network is another one; use v1 base")
        if folder is None:
            _refuse_another(files, digests)
        return cls(weights, vocabulary, vocoder, sizes, digests, prefix)

    @property
    def digest(self) -> str:
        """One digest of all files, in hexadecimal: another one may sound different."""
        return hashlib.sha256(" ".join(self.sha256s).encode()).hexdigest()

    @property
    def is_published(self) -> bool:
        """Whether network and vocoder are the published ones, byte for byte, by the hashes that are quoted."""
        return (self.sha256s[0], self.sha256s[2]) == (QUOTED[WEIGHTS_FILE], QUOTED[VOCODER_FILE])

    def load_network(self, device: torch.device | str) -> dict[str, Tensor]:
        """The network's tensors by name, without `PREFIX`, in float32.

        On the CPU they are views of a float32 file, which is mapped and shared between processes.

        Raises:
            ModelError: The file changed since it was opened
        """
        names = {name: self.prefix + name for name in network_tensors(self.sizes)}
        return _load(self.weights, names, device)

    def load_vocoder(self, device: torch.device | str) -> tuple[VocoderSizes, dict[str, Tensor]]:
        """The vocoder's sizes and its tensors by name, in float32.

        Raises:
            ModelError: It is damaged, or another vocoder
        """
        if self.vocoder.suffix == ".safetensors":
            sizes = vocoder_sizes({name: entry.shape for name, entry in _header(self.vocoder).items()}, self.vocoder)
            return sizes, _load(self.vocoder, {name: name for name in vocoder_tensors(sizes)}, device)
        loaded = load_pickled(self.vocoder, _MOST_VOCODER_BYTES)
        import torch

        if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
            raise ModelError(f"f5tts: {self.vocoder} holds no tensors by name; {ADVICE}")
        sizes = vocoder_sizes({name: tuple(tensor.shape) for name, tensor in loaded.items()}, self.vocoder)
        entries = {name: TensorEntry("F32", tuple(tensor.shape)) for name, tensor in loaded.items()}
        _check(entries, vocoder_tensors(sizes), self.vocoder)
        return sizes, {name: tensor.float().to(device) for name, tensor in loaded.items()}


def fetch(hub_cache: Path | None = None) -> tuple[Path, Path, Path]:
    """The published files, downloaded at the pinned revisions unless the hub's cache has them.

    Raises:
        ModelError: They cannot be had
    """
    from huggingface_hub import hf_hub_download

    wanted = (
        (REPOSITORY, WEIGHTS_FILE, REVISION),
        (REPOSITORY, VOCABULARY_FILE, REVISION),
        (VOCODER_REPOSITORY, VOCODER_FILE, VOCODER_REVISION),
    )
    paths: list[Path] = []
    for repository, file, revision in wanted:
        try:
            refuse_unreachable(repository, file, revision, hub_cache)
            paths.append(Path(hf_hub_download(repository, file, revision=revision, cache_dir=hub_cache)))
        except Exception as error:  # the hub, its HTTP client and its transfer library share no base
            raise ModelError(
                f"f5tts: {file} cannot be fetched from {repository}: {error} Fetch {WEIGHTS_FILE} and "
                f"{VOCABULARY_FILE} of {REPOSITORY}, and {VOCODER_FILE} of {VOCODER_REPOSITORY}, elsewhere, put the "
                "last into a folder vocos beside the others, and name the folder in model.path"
            ) from error
    return paths[0], paths[1], paths[2]


def vocoder_sizes(shapes: Mapping[str, TensorShape], file: Path) -> VocoderSizes:
    """The sizes of a vocoder, read off its shapes.

    Raises:
        ModelError: A tensor that gives a size is missing
    """
    return VocoderSizes(
        vocos_hidden=_dim(shapes, "backbone.embed.weight", 0, file),
        vocos_ffn=_dim(shapes, "backbone.convnext.0.pwconv1.weight", 0, file),
        vocos_blocks=_blocks(shapes, "backbone.convnext", file),
        n_mels=FULL_VOCODER.n_mels,
    )


def _found(folder: Path) -> tuple[Path, Path, Path]:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ModelError(f"f5tts: model.path {folder} {what}; name the folder that holds the weights and vocab.txt")
    published = folder / Path(WEIGHTS_FILE).name
    weights = [published] if published.is_file() else sorted(folder.glob("*.safetensors"))
    if len(weights) != 1:
        what = "no" if not weights else "more than one"
        raise ModelError(f"f5tts: {folder} has {what} file of weights (.safetensors); give it one, {published.name}")
    vocabulary = folder / Path(VOCABULARY_FILE).name
    vocoder = next((folder / name for name in VOCODER_NAMES if (folder / name).is_file()), None)
    if not vocabulary.is_file() or vocoder is None:
        lacking = vocabulary.name if not vocabulary.is_file() else VOCODER_NAMES[1]
        raise ModelError(f"f5tts: {folder} lacks {lacking}; see `speechmill weights f5tts` for where it is published")
    return weights[0], vocabulary, vocoder


def _sizes_of(found: Mapping[str, TensorEntry], file: Path) -> F5Sizes:
    shapes = {name: entry.shape for name, entry in found.items()}
    hidden = _dim(shapes, "transformer.proj_out.weight", 1, file)
    head_dim = 2 * _dim(shapes, "transformer.rotary_embed.inv_freq", 0, file)
    if hidden % head_dim or hidden % NUM_GROUPS:
        raise ModelError(f"f5tts: {file} has {hidden} channels, which heads of {head_dim} do not divide; {ADVICE}")
    return F5Sizes(
        hidden=hidden,
        ffn=_dim(shapes, "transformer.transformer_blocks.0.ff.ff.0.0.weight", 0, file),
        num_layers=_blocks(shapes, "transformer.transformer_blocks", file),
        head_dim=head_dim,
        vocab=_dim(shapes, "transformer.text_embed.text_embed.weight", 0, file) - 1,
        text_hidden=_dim(shapes, "transformer.text_embed.text_embed.weight", 1, file),
        text_ffn=_dim(shapes, "transformer.text_embed.text_blocks.0.pwconv1.weight", 0, file),
        text_blocks=_blocks(shapes, "transformer.text_embed.text_blocks", file),
        time_dim=_dim(shapes, "transformer.time_embed.time_mlp.0.weight", 1, file),
        n_mels=FULL_VOCODER.n_mels,
    )


def _dim(shapes: Mapping[str, TensorShape], name: str, axis: int, file: Path) -> int:
    shape = shapes.get(name)
    if shape is None:
        raise ModelError(f'f5tts: {file} lacks the tensor "{name}"; {ADVICE}')
    if len(shape) <= axis or shape[axis] < 1:
        raise ModelError(f'f5tts: {file}: "{name}" has the shape {list(shape)}; {ADVICE}')
    return shape[axis]


def _blocks(shapes: Mapping[str, TensorShape], prefix: str, file: Path) -> int:
    """One more than the highest number: a gap shows as a missing tensor when all names are compared."""
    found = (re.match(rf"{re.escape(prefix)}\.(\d+)\.", name) for name in shapes)
    blocks = 1 + max((int(match[1][:9]) for match in found if match), default=0)
    if blocks > _MOST_BLOCKS:
        raise ModelError(f"f5tts: {file} numbers blocks of {prefix} up to {blocks - 1}; {ADVICE}")
    return blocks


def _check(found: Mapping[str, TensorEntry], expected: Mapping[str, TensorShape], file: Path) -> None:
    """Raise ModelError unless a file has exactly these tensors, in these shapes, as numbers that are read."""
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    for names, what in ((missing, "lacks the tensor"), (extra, "has an unknown tensor")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(f'f5tts: {file} {what} "{names[0]}"{more}; {ADVICE}')
    for name, shape in expected.items():
        entry = found[name]
        if entry.shape != shape:
            what = f"the shape {list(entry.shape)}, expected {list(shape)}"
            raise ModelError(f'f5tts: {file}: "{name}" has {what}; {ADVICE}')
        if entry.dtype not in _DTYPES:
            raise ModelError(f'f5tts: {file}: "{name}" is {entry.dtype}; save it as one of {", ".join(_DTYPES)}')


def _header(path: Path) -> Mapping[str, TensorEntry]:
    try:
        return read_header(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"f5tts: {path} cannot be read: {error}; {ADVICE}") from error


def _load(file: Path, names: Mapping[str, str], device: torch.device | str) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt", device=str(device)) as opened:
            return {name: opened.get_tensor(stored).float() for name, stored in names.items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"f5tts: {file} cannot be loaded: {error}; {ADVICE}") from error


def _digest(path: Path, memory: Path | None) -> str:
    try:
        return sha256(path, memory)
    except OSError as error:
        raise ModelError(f"f5tts: {path} cannot be read: {error}; {ADVICE}") from error


def _refuse_another(files: tuple[Path, Path, Path], digests: tuple[str, str, str]) -> None:
    for file, digest, name in zip(files, digests, (WEIGHTS_FILE, VOCABULARY_FILE, VOCODER_FILE), strict=True):
        if digest != QUOTED[name]:
            raise ModelError(
                f"f5tts: {file} has the SHA-256 {digest}, and {QUOTED[name]} is quoted for it; delete the file and run "
                "again to fetch it anew, or name a folder of the files in model.path to use them as they are"
            )
