"""Upstream's side of `chattts_parity.py`: what chattts 0.2.5 makes of the inputs in a folder.

Runs in a virtual environment of its own, which `chattts_parity.py` says how to make, and imports nothing of speechmill.
Upstream is only called. It loads the folder of weights as it is, without its check of hashes and without a download.

    PYTHON benchmarks/chattts_parity_peer.py FOLDER     FOLDER/job.json → FOLDER/upstream.npz, FOLDER/upstream.json
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import ChatTTS  # pyright: ignore[reportMissingImports]: upstream is in no environment of ours
import numpy as np
import torch

CPU = torch.device("cpu")


def main(folder: Path) -> None:
    """Answer everything that the job asks for."""
    job = json.loads((folder / "job.json").read_text())
    torch.set_num_threads(job["num_threads"])
    chat = load(Path(job["weights"]) / "asset", job["num_layers"])
    inputs = np.load(folder / "inputs.npz")
    arrays: dict[str, Any] = {}
    for speech in job["passes"]:
        arrays.update(spoken(chat, speech))
    arrays.update(refined(chat, job["refined"]))
    for row, steps in job["sounded"].items():
        arrays.update(sounded(chat, row, steps, arrays))
    for number in range(job["num_waves"]):
        arrays.update(heard(chat, f"wave/{number}", inputs))
    strings = speakers(chat, inputs) | prompts(chat, inputs)
    arrays.update(read_strings(chat, job))
    np.savez(folder / "upstream.npz", **arrays)
    (folder / "upstream.json").write_text(json.dumps(strings | {"statistics": chat.config.spk_stat}))


def load(assets: Path, num_layers: int, device: torch.device = CPU) -> Any:
    """The model from a folder of weights, in float32."""
    logging.disable(logging.WARNING)
    chat = ChatTTS.Chat()
    chat.config.gpt.num_hidden_layers = num_layers
    is_loaded = chat._load(
        device=device,
        gpt_ckpt_path=str(assets / "gpt"),
        embed_path=str(assets / "Embed.safetensors"),
        dvae_ckpt_path=str(assets / "DVAE.safetensors"),
        decoder_ckpt_path=str(assets / "Decoder.safetensors"),
        vocos_ckpt_path=str(assets / "Vocos.safetensors"),
        tokenizer_path=str(assets / "tokenizer"),
    )
    if not is_loaded:
        raise SystemExit(f"chattts cannot load {assets}")
    return chat


def spoken(chat: Any, speech: dict[str, Any]) -> dict[str, Any]:
    """One batch: the prompt of each row, its codes [steps, 4], and the hidden states [steps, 768] of these."""
    params = ChatTTS.Chat.InferCodeParams(show_tqdm=False, **speech["params"])
    texts = chat.speaker.decorate_code_prompts(list(speech["texts"]), params.prompt, params.txt_smp, params.spk_emb)
    name, found = speech["name"], prompt_ids(chat, speech["name"], texts)
    result = next(chat._infer_code(list(speech["texts"]), False, CPU, True, params))
    for row, (codes, hiddens) in enumerate(zip(result.ids, result.hiddens, strict=True)):
        found[f"{name}/{row}/codes"], found[f"{name}/{row}/hiddens"] = codes.numpy(), hiddens.numpy()
    return found


def refined(chat: Any, refining: dict[str, Any]) -> dict[str, Any]:
    """One batch of texts that are refined: the prompt of each row, and its tokens [tokens]."""
    params = ChatTTS.Chat.RefineTextParams(show_tqdm=False, **refining["params"])
    found = prompt_ids(chat, "refined", chat.speaker.decorate_text_prompts(list(refining["texts"]), params.prompt))
    result = chat._refine_text(list(refining["texts"]), CPU, params)
    for row, tokens in enumerate(result.ids):
        found[f"refined/{row}/tokens"] = tokens.flatten().numpy()
    return found


def prompt_ids(chat: Any, name: str, texts: list[str]) -> dict[str, Any]:
    """The tokens of each row of a batch, without the padding to its left."""
    padded, is_prompt, _ = chat.tokenizer.encode(texts, chat.config.gpt.num_vq, prompt=None, device=CPU)
    return {f"{name}/{row}/prompt": padded[row, is_prompt[row].bool(), 0].numpy() for row in range(len(texts))}


def sounded(chat: Any, row: str, steps: int | None, spoken: dict[str, Any]) -> dict[str, Any]:
    """The waveform of the first steps of a row, alone and so without padding: of hidden states, and of codes."""
    hiddens, codes = (torch.from_numpy(spoken[f"{row}/{kind}"][:steps]) for kind in ("hiddens", "codes"))
    return {
        f"{row}/hiddens/sound": chat._decode_to_wavs([hiddens], True)[0],
        f"{row}/codes/sound": chat._decode_to_wavs([codes], False)[0],
    }


def heard(chat: Any, name: str, inputs: Any) -> dict[str, Any]:
    """The log-mel [100, frames] of a waveform, and its codes [4, steps]."""
    wave = torch.from_numpy(inputs[name])
    mel, codes = chat.dvae.preprocessor_mel(wave.clone()), chat.dvae.sample_audio(wave.clone())
    return {f"{name}/mel": mel.numpy(), f"{name}/codes": codes.numpy()}


def speakers(chat: Any, inputs: Any) -> dict[str, list[str]]:
    """Strings that upstream writes of speaker vectors, and speakers that it draws."""
    written = [chat.speaker._encode(torch.from_numpy(vector)) for vector in inputs["speakers"]]
    return {"speakers": written, "drawn": [chat.speaker.sample_random() for _ in written]}


def prompts(chat: Any, inputs: Any) -> dict[str, list[str]]:
    """Strings that upstream writes of audio prompts."""
    names = sorted((name for name in inputs if name.startswith("prompt/")), key=lambda name: int(name.split("/")[1]))
    return {"prompts": [chat.speaker.encode_prompt(torch.from_numpy(inputs[name].astype("int64"))) for name in names]}


def read_strings(chat: Any, job: dict[str, Any]) -> dict[str, Any]:
    """What upstream reads out of strings that speechmill wrote."""
    found = {f"speaker/{number}/read": chat.speaker._decode(text) for number, text in enumerate(job["speakers"])}
    for number, text in enumerate(job["prompts"]):
        found[f"prompt/{number}/read"] = chat.speaker.decode_prompt(text).numpy()
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
