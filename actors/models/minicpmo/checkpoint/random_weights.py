"""Checkpoints of random weights in the published shapes, as far as they are for speech.

Guaranteed: the same numbers for the same sizes and seed. The tensors lie in two shards with an index that also names a
shard of the language model, which is not there. What such a model says is noise.
"""

from __future__ import annotations

import json
from pathlib import Path

from .....errors import ModelError
from ...chattts.checkpoint.layout import EOS_CODE, TensorShape, token_id
from ...chattts.checkpoint.random_tokenizer import tokenizer_json
from ...chattts.checkpoint.random_weights import RandomTensors
from ...chattts.checkpoint.safetensors_file import write_tensors
from .layout import (
    CONFIG_FILE,
    INDEX_FILE,
    TOKENIZER_FILE,
    VOCOS_FILE,
    MinicpmoSizes,
    SpeechPart,
    names,
    tensors,
    vocos_tensors,
)

_SHARDS = tuple(f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3))
_SHARD_OF: dict[SpeechPart, str] = {
    "model": _SHARDS[1],
    "embed": _SHARDS[1],
    "projector": _SHARDS[2],
    "dvae": _SHARDS[2],
}


def write_random(folder: Path, sizes: MinicpmoSizes, seed: int) -> None:
    """Write a checkpoint into a folder, made if it is not there.

    Raises:
        ModelError: If one of the files is there already, or cannot be written
    """
    files = (CONFIG_FILE, INDEX_FILE, TOKENIZER_FILE, VOCOS_FILE, *_SHARDS[1:])
    there = [file for file in files if (folder / file).exists()]
    if there:
        raise ModelError(f"minicpmo: {folder / there[0]} is there already; name an empty folder")
    try:
        (folder / TOKENIZER_FILE).parent.mkdir(parents=True, exist_ok=True)
        weight_map = {"llm.model.embed_tokens.weight": _SHARDS[0]}
        for shard in _SHARDS[1:]:
            parts: list[SpeechPart] = [part for part, place in _SHARD_OF.items() if place == shard]
            weight_map |= dict.fromkeys(_write_shard(folder / shard, parts, sizes, seed), shard)
        _write_vocos(folder / VOCOS_FILE, sizes, seed)
        (folder / TOKENIZER_FILE).write_bytes(tokenizer_json(sizes.network).encode())
        index = {"metadata": {}, "weight_map": dict(sorted(weight_map.items()))}
        (folder / INDEX_FILE).write_bytes((json.dumps(index, indent=2) + "\n").encode())
        (folder / CONFIG_FILE).write_bytes(config_json(sizes).encode())
    except OSError as error:
        raise ModelError(f"minicpmo: {folder} cannot be written: {error}") from error


def config_json(sizes: MinicpmoSizes) -> str:
    """The config.json: the part that is for speech."""
    network, schedule = sizes.network, sizes.schedule
    config = {
        "model_type": "conditional_chattts",
        "llm_dim": sizes.llm_dim,
        "hidden_size": network.hidden,
        "intermediate_size": network.ffn,
        "num_hidden_layers": network.num_layers,
        "num_attention_heads": network.num_heads,
        "max_position_embeddings": network.max_positions,
        "num_text_tokens": network.text_vocab,
        "num_audio_tokens": EOS_CODE + 1,
        "num_vq": network.num_vq,
        "num_spk_embs": 1,
        "spk_emb_token_id": token_id("[spk_emb]", network),
        "audio_bos_token_id": token_id("[Ptts]", network),
        "text_eos_token_id": token_id("[Etts]", network),
        "streaming_text_reserved_len": schedule.reserved,
        "streaming_text_chunk_size": schedule.text_chunk,
        "streaming_audio_chunk_size": schedule.audio_chunk,
    }
    return json.dumps({"model_type": "minicpmo", "tts_config": config}, indent=2) + "\n"


def _write_shard(file: Path, parts: list[SpeechPart], sizes: MinicpmoSizes, seed: int) -> list[str]:
    """Write the tensors of some parts; their names."""
    shapes: dict[str, TensorShape] = {}
    places: dict[str, tuple[SpeechPart, str]] = {}
    for part in parts:
        for name, shape in tensors(sizes)[part].items():
            full = names(part, name)[0]
            shapes[full], places[full] = shape, (part, name)
    draws = {part: RandomTensors(seed, f"minicpmo/{part}", sizes.network) for part in parts}
    write_tensors(file, shapes, lambda full, shape: draws[places[full][0]].values(places[full][1], shape))
    return list(shapes)


def _write_vocos(file: Path, sizes: MinicpmoSizes, seed: int) -> None:
    import torch

    draw = RandomTensors(seed, "minicpmo/vocos", sizes.network)
    state = {name: torch.from_numpy(draw.values(name, shape)) for name, shape in vocos_tensors(sizes).items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, file)
