"""The speech part of a MiniCPM-o 2.6 checkpoint on disk, checked to the last tensor before anything is loaded.

Guaranteed: an opened checkpoint has every tensor that is read, in the shape of `layout`, and a digest that changes with
any byte of them. Of the shards only those are opened that hold a tensor of `tts.`, and of these only its bytes are
read: the language model of 8 B parameters is not touched. Opening imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .....errors import ModelError
from ...chattts.checkpoint.checks import check_tokenizer
from ...chattts.checkpoint.layout import Sizes
from ...chattts.checkpoint.safetensors_file import data_start, read_header
from ...file_digests import sha256
from ...untrusted import load_pickled
from .checks import (
    ADVICE,
    REPOSITORY,
    Find,
    TensorPlace,
    check_tensors,
    sizes_of,
    speech_config,
    vocoder_sizes,
)
from .layout import (
    CONFIG_FILE,
    INDEX_FILE,
    PREFIX,
    TOKENIZER_FILE,
    VOCOS_FILE,
    MinicpmoSizes,
    SpeechPart,
    vocos_tensors,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

WHOLE_FILE = "model.safetensors"
"""All tensors in one file, where there is no index."""
_MOST_JSON_BYTES = 2**26
_MOST_VOCOS_BYTES = 2**28


@dataclass(frozen=True, slots=True)
class MinicpmoCheckpoint:
    """Weights, configuration, tokenizer and vocoder, as files.

    Attributes:
        config: The `tts_config` of config.json
        places: Part → tensor name → where it is
        digest: Of all that is read, in hexadecimal: another one may sound different
    """

    folder: Path
    config: Mapping[str, Any]
    sizes: MinicpmoSizes
    places: Mapping[SpeechPart, Mapping[str, TensorPlace]]
    digest: str

    @classmethod
    def open(cls, folder: Path | None, *, cache: Path | None = None) -> MinicpmoCheckpoint:
        """The checkpoint in a folder.

        Args:
            folder: As published; shards without a tensor of `tts.` need not be there
            cache: A folder in which digests of files are kept, by default speechmill's own

        Raises:
            ModelError: Which names the file, the tensor and what to do, for anything that is missing, damaged or of
                another model
        """
        if folder is None:
            raise ModelError(
                "minicpmo: model.path names no folder. Fetch config.json, model.safetensors.index.json, the shards in "
                f"which it lists tensors of {PREFIX} and assets/ of {REPOSITORY}, and name the folder"
            )
        for file in (CONFIG_FILE, VOCOS_FILE, TOKENIZER_FILE):
            if not (folder / file).is_file():
                raise ModelError(f"minicpmo: {folder} lacks {file}; fetch it from {REPOSITORY}")
        config = speech_config(_json(folder / CONFIG_FILE), folder / CONFIG_FILE)
        find = _finder(folder)
        sizes = sizes_of(config, folder / CONFIG_FILE, find)
        places = check_tensors(sizes, folder / CONFIG_FILE, find)
        tokenizer = folder / TOKENIZER_FILE
        check_tokenizer(_json(tokenizer), sizes.network, tokenizer, "minicpmo")
        return cls(folder, config, sizes, places, _digest(folder, places, cache / "hashes" if cache else None))

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer in the format of the tokenizers library."""
        return self.folder / TOKENIZER_FILE

    @property
    def files(self) -> Mapping[Path, int]:
        """Every file that is read, with the number of its tensors that are."""
        found = {self.folder / name: 0 for name in (CONFIG_FILE, TOKENIZER_FILE, VOCOS_FILE)}
        for place in _all_places(self.places):
            found[place.file] = found.get(place.file, 0) + 1
        return found

    def load(self, part: SpeechPart, device: torch.device | str, dtype: torch.dtype) -> dict[str, Tensor]:
        """The tensors of a part by name, as `layout.tensors` has them, all in `dtype` on `device`.

        Raises:
            ModelError: If a file changed since the checkpoint was opened
        """
        from safetensors import SafetensorError, safe_open

        loaded: dict[str, Tensor] = {}
        places = self.places[part]
        for file in sorted({place.file for place in places.values()}):
            try:
                with safe_open(file, framework="pt", device=str(device)) as opened:
                    for name, place in places.items():
                        if place.file == file:
                            loaded[name] = opened.get_tensor(place.name).to(dtype)
            except (OSError, SafetensorError) as error:
                raise ModelError(f"minicpmo: {file} cannot be loaded: {error}; {ADVICE}") from error
        return loaded

    def load_vocos(self, device: torch.device | str) -> tuple[Sizes, dict[str, Tensor]]:
        """The vocoder's tensors by name, float32, and the sizes with those of the vocoder.

        Raises:
            ModelError: The file is damaged, or of another vocoder
        """
        import torch

        file = self.folder / VOCOS_FILE
        found = load_pickled(file, _MOST_VOCOS_BYTES)
        if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
            raise ModelError(f"minicpmo: {file} does not hold tensors by name; {ADVICE}")
        state = cast("Mapping[str, Tensor]", found)
        network = vocoder_sizes(self.sizes.network, {name: tuple(value.shape) for name, value in state.items()}, file)
        for name, shape in vocos_tensors(replace(self.sizes, network=network)).items():
            if name.startswith("feature_extractor."):
                continue
            if name not in state or tuple(state[name].shape) != shape:
                raise ModelError(f'minicpmo: {file} lacks the tensor "{name}" of the shape {shape}; {ADVICE}')
        return network, {name: value.to(device, torch.float32) for name, value in state.items()}


def _finder(folder: Path) -> Find:
    """Finds tensors of `tts.` in the files that the index names; each header is read once."""
    weight_map = _weight_map(folder)
    entries: dict[str, TensorPlace] = {}
    for file in sorted(set(weight_map.values())):
        path = folder / file
        try:
            header = read_header(path)
        except FileNotFoundError as error:
            raise ModelError(
                f"minicpmo: {folder} lacks {file}, which has tensors of {PREFIX}; fetch it from {REPOSITORY}"
            ) from error
        except (OSError, ValueError) as error:
            raise ModelError(f"minicpmo: {path} cannot be read: {error}; {ADVICE}") from error
        promised = [name for name, place in weight_map.items() if place == file and name != PREFIX]
        if lost := [name for name in promised if name not in header]:
            raise ModelError(
                f'minicpmo: {path} lacks the tensor "{lost[0]}", which {INDEX_FILE} places there; {ADVICE}'
            )
        for name in header:
            if name.startswith(PREFIX) and weight_map.get(name, file) == file:
                entries[name] = TensorPlace(name, path, header[name])
    return lambda names: next((entries[name] for name in names if name in entries), None)


def _weight_map(folder: Path) -> Mapping[str, str]:
    """Tensors of `tts.` → file, by the index; where there is none, the one file under any name."""
    index = folder / INDEX_FILE
    if not index.is_file():
        if not (folder / WHOLE_FILE).is_file():
            raise ModelError(f"minicpmo: {folder} lacks {INDEX_FILE}; fetch it from {REPOSITORY}")
        return {PREFIX: WHOLE_FILE}
    document = _json(index)
    found = cast("dict[str, Any]", document).get("weight_map") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise ModelError(f"minicpmo: {index} has no weight_map; {ADVICE}")
    wanted: dict[str, str] = {}
    for name, file in cast("dict[str, object]", found).items():
        if not name.startswith(PREFIX):
            continue
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise ModelError(f'minicpmo: {index} has "{name}" in {file!r:.80}, which is no file beside it; {ADVICE}')
        wanted[name] = file
    return wanted


def _digest(folder: Path, places: Mapping[SpeechPart, Mapping[str, TensorPlace]], memory: Path | None) -> str:
    total = hashlib.sha256()
    try:
        for file in (CONFIG_FILE, TOKENIZER_FILE, VOCOS_FILE):
            total.update(f"{sha256(folder / file, memory)}  {file}\n".encode())
        by_file: dict[Path, list[TensorPlace]] = {}
        for place in _all_places(places):
            by_file.setdefault(place.file, []).append(place)
        for file in sorted(by_file):
            start = data_start(file)
            held = sorted(by_file[file], key=lambda place: place.entry.begin)
            parts = [(start + place.entry.begin, start + place.entry.end) for place in held]
            spelled = [(place.name, place.entry.dtype, place.entry.shape) for place in held]
            total.update(f"{sha256(file, memory, parts)}  {spelled}\n".encode())
    except OSError as error:
        raise ModelError(f"minicpmo: {folder} cannot be read: {error}; {ADVICE}") from error
    return total.hexdigest()


def _all_places(places: Mapping[SpeechPart, Mapping[str, TensorPlace]]) -> list[TensorPlace]:
    return [place for part in places.values() for place in part.values()]


def _json(path: Path) -> object:
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise ValueError(f"it holds more than {_MOST_JSON_BYTES:,} bytes")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"minicpmo: {path} cannot be read: {error}; {ADVICE}") from error
