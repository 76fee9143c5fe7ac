"""Upstream's side of `f5tts.py`: what f5-tts 1.1.22 makes of the job in a folder.

Runs in an environment of its own, which `f5tts.py` says how to make, and imports nothing of speechmill. Upstream is
only called. What it imports for training, for its page or for other files than WAV is replaced by names without
content where it is not installed.

    PYTHON f5tts_upstream.py FOLDER     FOLDER/job.json, inputs.npz → FOLDER/upstream.npz, upstream.json
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

UNUSED = (
    *("wandb", "accelerate", "ema_pytorch", "datasets", "encodec", "librosa", "pydub", "matplotlib", "transformers"),
    *("cached_path", "hydra", "omegaconf", "tomli", "gradio", "numba", "huggingface_hub", "tqdm"),
)
INSIDE = ("accelerate.utils", "librosa.filters", "matplotlib.pylab", "matplotlib.pyplot", "hydra.utils")


class Nameless(types.ModuleType):
    """A module that has every name, and nothing behind it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *_, **__: None, "use": staticmethod(lambda *_: None)})


def stand_in() -> None:
    """Put nameless modules where upstream imports what is not there."""
    for name in UNUSED:
        if importlib.util.find_spec(name) is None or name in ("librosa", "matplotlib", "datasets"):
            sys.modules[name] = Nameless(name)
    for name in INSIDE:
        if isinstance(sys.modules.get(name.split(".")[0]), Nameless):
            sys.modules[name] = Nameless(name)


def main(folder: Path) -> None:
    """Answer everything that the job asks for."""
    stand_in()
    job = json.loads((folder / "job.json").read_text())
    torch.set_num_threads(job["num_threads"])
    inputs = np.load(folder / "inputs.npz")
    answers: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    if "lines" in job:
        answers["lines"] = rules(job, inputs["clip"])
    if "cases" in job:
        arrays = spoken(job, inputs["clip"])
    if "rows" in job:
        answers |= timed(job, inputs)
    np.savez(folder / "upstream.npz", **arrays)
    (folder / "upstream.json").write_text(json.dumps(answers))


def rules(job: dict[str, Any], clip: Any) -> list[list[Any]]:
    """Tokens and frames of each line, as upstream's own inference asks its network for them."""
    from f5_tts.infer.utils_infer import infer_batch_process  # pyright: ignore[reportMissingImports]

    asked: list[list[Any]] = []

    class Asked:
        """In the place of network and vocoder: remembers what it is asked for."""

        def sample(self, text: list[list[str]], duration: int, **_: Any) -> tuple[Any, None]:
            asked.append([text[0], duration])
            return torch.zeros(1, duration, 100), None

        def decode(self, mel: Any) -> Any:
            return torch.zeros(1, 256)

    for line in job["lines"]:
        made = infer_batch_process(
            (torch.from_numpy(clip)[None], 24_000),
            job["reference"],
            [line],
            Asked(),
            Asked(),
            progress=None,
            device="cpu",
        )
        next(made)
    return asked


def network(job: dict[str, Any], *, has_mask: bool = False) -> Any:
    """Upstream's model with the job's weights, float32 on the CPU."""
    from f5_tts.model.backbones.dit import DiT  # pyright: ignore[reportMissingImports]
    from f5_tts.model.cfm import CFM  # pyright: ignore[reportMissingImports]
    from f5_tts.model.utils import get_tokenizer  # pyright: ignore[reportMissingImports]

    ids, size = get_tokenizer(job["vocabulary"], "custom")
    sizes = job["sizes"]
    transformer = DiT(
        dim=sizes["hidden"],
        depth=sizes["num_layers"],
        heads=sizes["hidden"] // sizes["head_dim"],
        dim_head=sizes["head_dim"],
        ff_mult=sizes["ffn"] / sizes["hidden"],
        text_dim=sizes["text_hidden"],
        conv_layers=sizes["text_blocks"],
        text_num_embeds=size,
        mel_dim=sizes["n_mels"],
        attn_mask_enabled=has_mask,
    )
    mel = {"n_fft": 1024, "hop_length": 256, "win_length": 1024, "n_mel_channels": 100, "target_sample_rate": 24_000}
    model = CFM(
        transformer=transformer, mel_spec_kwargs=mel | {"mel_spec_type": "vocos"}, odeint_kwargs={"method": "euler"},
        vocab_char_map=ids,
    )  # fmt: skip
    state = {name.removeprefix("ema_model."): value for name, value in load_file(job["weights"]).items()}
    model.load_state_dict(state, strict=False)
    assert set(state) <= set(model.state_dict()), "a tensor of the file is none of upstream's"
    return model.eval()


def vocoder(job: dict[str, Any]) -> Any:
    """Vocos with the job's weights; `decode` gives waveforms of log-mel frames."""
    from vocos.heads import ISTFTHead  # pyright: ignore[reportMissingImports]
    from vocos.models import VocosBackbone  # pyright: ignore[reportMissingImports]

    state = load_file(job["vocoder"])
    hidden, ffn, blocks = job["vocoder_sizes"]
    backbone = VocosBackbone(input_channels=100, dim=hidden, intermediate_dim=ffn, num_layers=blocks)
    head = ISTFTHead(dim=hidden, n_fft=1024, hop_length=256, padding="center")
    for part, name in ((backbone, "backbone."), (head, "head.")):
        part.load_state_dict({key[len(name) :]: value for key, value in state.items() if key.startswith(name)})

    class Decoder:
        """The two as upstream calls them."""

        def decode(self, mel: Any) -> Any:
            with torch.inference_mode():
                return head(backbone(mel))

    return Decoder()


def spoken(job: dict[str, Any], clip: Any) -> dict[str, Any]:
    """Frames and waveform of each case, by upstream's inference from the clip to the end."""
    from f5_tts.infer.utils_infer import infer_batch_process  # pyright: ignore[reportMissingImports]

    model, decoder = network(job), vocoder(job)
    arrays: dict[str, Any] = {}
    for case in job["cases"]:
        torch.manual_seed(case["seed"])
        wave, _, mel = next(
            infer_batch_process(
                (torch.from_numpy(clip)[None], 24_000),
                job["reference"],
                [case["text"]],
                model,
                decoder,
                progress=None,
                nfe_step=case["steps"],
                cfg_strength=case["guidance"],
                sway_sampling_coef=-1.0,
                device="cpu",
            )
        )
        arrays[f"{case['name']}/mel"], arrays[f"{case['name']}/wave"] = np.asarray(mel).T, np.asarray(wave)
    return arrays


def timed(job: dict[str, Any], inputs: Any) -> dict[str, Any]:
    """Seconds of one core in upstream's loop at batch 1, and in its padded batches with the mask on."""
    decoder = vocoder(job)
    answers: dict[str, Any] = {}
    for name, size in (("alone", 1), ("batched", job["batch"])):
        model = network(job, has_mask=size > 1)
        run(model, decoder, job, inputs, job["rows"][:1])
        began = time.process_time()
        for start in range(0, len(job["rows"]), size):
            run(model, decoder, job, inputs, job["rows"][start : start + size])
        answers[f"{name}_s"] = time.process_time() - began
    return answers


def run(model: Any, decoder: Any, job: dict[str, Any], inputs: Any, rows: list[dict[str, Any]]) -> None:
    """Speak rows in one batch: mel of each clip, sampling, the vocoder for each row, as upstream's loop has it."""
    from f5_tts.model.utils import convert_char_to_pinyin  # pyright: ignore[reportMissingImports]

    mels = [model.mel_spec(torch.from_numpy(inputs[row["clip"]])[None])[0].T for row in rows]
    lengths = torch.tensor([len(mel) for mel in mels])
    with torch.inference_mode():
        sampled, _ = model.sample(
            cond=torch.nn.utils.rnn.pad_sequence(mels, batch_first=True),
            text=convert_char_to_pinyin([row["text"] for row in rows]),
            duration=torch.tensor([row["num_frames"] for row in rows]),
            lens=lengths,
            steps=job["steps"],
            cfg_strength=job["guidance"],
            sway_sampling_coef=-1.0,
            seed=0,
        )
        for row, frames, length in zip(rows, sampled, lengths.tolist(), strict=True):
            decoder.decode(frames[length - 1 : row["num_frames"]].T[None])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
