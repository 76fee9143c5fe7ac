"""Upstream's side of `chattts.py` and `streaming.py`: chattts 0.2.5 speaks the rows of a file.

One by one or as one batch; or streamed, which it does one after the other.

Runs in a virtual environment of its own and imports nothing of speechmill; upstream is only called.
A row's length is forced. A batch of upstream's has one length for all: that of its longest row, up to which it computes
every row whether it has ended or not; what is decoded are the steps of each row's own length, as upstream does it.

    PYTHON benchmarks/chattts_upstream.py JOB.json
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import ChatTTS  # pyright: ignore[reportMissingImports]: upstream is in no environment of ours
import torch
from chattts_parity_peer import load

WARM_STEPS = 4


def main(job: dict[str, Any]) -> None:
    """Speak, and print what it took."""
    torch.set_num_threads(job["num_threads"])
    device = torch.device(job["device"])
    chat = load(Path(job["weights"]) / "asset", 20, device)
    if job.get("is_streamed"):
        stream(chat, device, job["texts"][:1], [WARM_STEPS], job["prompt"])
        rows = zip(job["texts"], job["steps"], strict=True)
        print(json.dumps({"arrivals": [stream(chat, device, [text], [n], job["prompt"]) for text, n in rows]}))
        return
    size = len(job["texts"]) if job["is_batch"] else 1
    speak(chat, device, job["texts"][:1], [WARM_STEPS], job["prompt"])
    seconds = vocoder_s = 0.0
    computed = slot_steps = 0
    for start in range(0, len(job["texts"]), size):
        texts, steps = job["texts"][start : start + size], job["steps"][start : start + size]
        began = time.perf_counter()
        vocoder_s += speak(chat, device, texts, steps, job["prompt"])
        seconds += time.perf_counter() - began
        computed += max(steps)
        slot_steps += max(steps) * len(steps)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else resource_bytes()
    answer = {"seconds": seconds, "vocoder_s": vocoder_s, "computed_steps": computed, "slot_steps": slot_steps}
    print(json.dumps(answer | {"peak_bytes": peak}))


def speak(chat: Any, device: torch.device, texts: list[str], steps: list[int], prompt: str) -> float:
    """One batch, with a new speaker; seconds from hidden states to audio."""
    params = params_of(chat, steps, prompt)
    result = next(chat._infer_code(list(texts), False, device, True, params))
    began = time.perf_counter()
    chat._decode_to_wavs([hidden[:length] for hidden, length in zip(result.hiddens, steps, strict=True)], True)
    return time.perf_counter() - began


def stream(chat: Any, device: torch.device, texts: list[str], steps: list[int], prompt: str) -> list[tuple[float, int]]:
    """Seconds from the call, and samples, of each piece of audio."""
    began = time.perf_counter()
    pieces = chat.infer(
        list(texts),
        stream=True,
        skip_refine_text=True,
        do_text_normalization=False,
        do_homophone_replacement=False,
        split_text=False,
        params_infer_code=params_of(chat, steps, prompt),
    )
    return [(time.perf_counter() - began, int(piece.shape[-1])) for piece in pieces]


def params_of(chat: Any, steps: list[int], prompt: str) -> Any:
    """Settings that make every row as long as the longest is to be."""
    return ChatTTS.Chat.InferCodeParams(
        prompt=prompt,
        spk_emb=chat.sample_random_speaker(),
        min_new_token=max(steps),
        max_new_token=max(steps),
        show_tqdm=False,
    )


def resource_bytes() -> int:
    """The largest resident size of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
