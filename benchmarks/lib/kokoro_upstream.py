"""What upstream kokoro 0.9.4 says of given inputs, run by the Python that has it (`kokoro_parity.py` calls it).

    python kokoro_upstream.py FOLDER [time]

FOLDER has `config.json`, `kokoro-v1_0.pth` in the published form and `inputs.npz`; `outputs.npz` is written there.
Only the network is loaded, without the package's text front end. In place of its random numbers stand those of the
inputs, and where it is asked for, angles whose sign is a rounding error in upstream's are +0 or +pi, as here. With
"time", the rows are spoken once, one by one and as upstream is, and two numbers are printed: seconds, and of audio.
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
from torch import Tensor


def upstream_model(folder: Path) -> Any:
    """Upstream's network with the weights of a folder. Its package imports spaCy and more, which is left out."""
    spec = importlib.util.find_spec("kokoro")
    assert spec is not None, "kokoro 0.9.4 is not installed here"
    package = types.ModuleType("kokoro")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["kokoro"] = package
    from loguru import logger  # pyright: ignore[reportMissingImports]

    logger.remove()
    from kokoro.model import KModel  # pyright: ignore[reportMissingImports]

    config, weights = str(folder / "config.json"), str(folder / "kokoro-v1_0.pth")
    return KModel("hexgrad/Kokoro-82M", config, weights).eval()


def set_edges(stft: Any) -> None:
    """Angles that are 0 or pi but for rounding become +0 or +pi."""

    def transform(wave: Tensor) -> tuple[Tensor, Tensor]:
        window = stft.window.to(wave)
        spectrum = torch.stft(wave, 20, 5, 20, window=window, return_complex=True)
        imaginary = spectrum.imag.clone()
        imaginary[:, 0] = imaginary[:, -1] = imaginary[:, :, 0] = 0
        return torch.hypot(spectrum.real, imaginary), torch.atan2(imaginary, spectrum.real)

    stft.transform = transform


def speak(model: Any, inputs: Any, row: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The waveform and durations of one row, with the noise of the inputs."""
    ids = torch.from_numpy(inputs[f"ids{row}"])[None]
    style = torch.from_numpy(inputs[f"style{row}"])[None].to(dtype)
    noise = torch.from_numpy(inputs[f"noise{row}"])[None].to(dtype)
    drawn = torch.randn_like

    def given(like: Tensor, **_: Any) -> Tensor:
        return noise if like.shape == noise.shape else torch.zeros_like(like)

    torch.randn_like = given  # pyright: ignore[reportAttributeAccessIssue]
    try:
        audio, durations = model.forward_with_tokens(ids, style, float(inputs["speeds"][row]))
    finally:
        torch.randn_like = drawn
    return audio, durations


def timed(model: Any, inputs: Any) -> tuple[float, float]:
    """Seconds that all rows take, after one that is not counted, and seconds of audio."""
    torch.set_num_threads(1)
    rows = [
        (torch.from_numpy(inputs[f"ids{n}"])[None], torch.from_numpy(inputs[f"style{n}"])[None])
        for n in range(len(inputs["speeds"]))
    ]
    model.forward_with_tokens(*rows[0], 1.0)
    began = time.perf_counter()
    samples = sum(model.forward_with_tokens(ids, style, 1.0)[0].numel() for ids, style in rows)
    return time.perf_counter() - began, samples / 24_000


def main() -> None:
    """Every row in float64 with and without its edges set, and in float32 as it is."""
    folder = Path(sys.argv[1])
    inputs = np.load(folder / "inputs.npz")
    model = upstream_model(folder)
    if sys.argv[2:] == ["time"]:
        print(json.dumps(timed(model, inputs)))
        return
    stft = model.decoder.generator.stft
    made: dict[str, Any] = {}
    for name, dtype, has_edges in (
        ("float32", torch.float32, False),
        ("plain64", torch.float64, False),
        ("float64", torch.float64, True),
    ):
        model.to(dtype)
        torch.set_default_dtype(dtype)  # upstream makes zeros and masks of the default format
        stft.window = torch.hann_window(20, periodic=True, dtype=dtype)
        if has_edges:
            set_edges(stft)
        for row in range(len(inputs["speeds"])):
            audio, durations = speak(model, inputs, row, dtype)
            made[f"{name}_{row}"], made[f"durations_{name}_{row}"] = audio.numpy(), durations.numpy()
    np.savez(folder / "outputs.npz", **made)


if __name__ == "__main__":
    main()
