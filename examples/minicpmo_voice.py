"""Take a voice out of MiniCPM-o 2.6, for the model `minicpmo`: the hidden state that its speech is conditioned on.

python examples/minicpmo_voice.py MODEL_FOLDER NAME RECORDING VOICES.safetensors

Runs the whole model once, with its own code (`trust_remote_code`), on a GPU with room for 8 B parameters. It needs the
packages that the model's own page names, transformers among them. The vector is what goes into the projector of the
speech part while the model answers in the voice of the recording; it is added to the voices of the file. Not tested: no
such model was at hand where this was written.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

RATE = 16_000


def extract(folder: str, recording: Path) -> NDArray[np.float32]:
    """The hidden state before the projector: float32 [3584]."""
    transformers: Any = importlib.import_module("transformers")
    model = transformers.AutoModel.from_pretrained(
        folder, trust_remote_code=True, torch_dtype=torch.bfloat16, init_vision=False, init_audio=True, init_tts=True
    )
    model = model.eval().cuda()
    model.init_tts()
    heard: list[torch.Tensor] = []

    def keep(module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        heard.append(inputs[0].detach().float().cpu())

    model.tts.projector.register_forward_pre_hook(keep)
    prompt = model.get_sys_prompt(ref_audio=wave(recording), mode="voice_cloning", language="en")
    question = {"role": "user", "content": ["Please read the text below.", "Good morning, it is a fine day."]}
    with tempfile.TemporaryDirectory() as scratch:
        model.chat(
            msgs=[prompt, question],
            tokenizer=transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True),
            sampling=True,
            max_new_tokens=64,
            use_tts_template=True,
            generate_audio=True,
            output_audio_path=str(Path(scratch) / "heard.wav"),
        )
    if not heard:
        raise SystemExit("the model has spoken nothing, so there is no voice to keep")
    return heard[0].reshape(-1).numpy()


def wave(recording: Path) -> NDArray[np.float32]:
    """The recording, float32 [num_samples] at 16 kHz, channels averaged."""
    from torchaudio.functional import resample

    samples, rate = soundfile.read(recording, dtype="float32", always_2d=True)
    return resample(torch.from_numpy(samples.mean(1)), rate, RATE).numpy()


def main(folder: str, name: str, recording: str, voices: str) -> None:
    """Add the voice of a recording to a file of voices."""
    file = Path(voices)
    known = load_file(file) if file.exists() else {}
    save_file({**known, name: extract(folder, Path(recording))}, file)
    print(f"{file} has {', '.join(sorted({*known, name}))}: model.options.voice_file: {file}")


if __name__ == "__main__":
    main(*sys.argv[1:5])
