r"""Our ChatTTS against upstream's (chattts 0.2.5): the same random full-size weights, in float32 on the CPU.

Optional, and for development only: nothing else needs upstream. It is under the AGPL, so it is neither copied nor
imported here; `chattts_parity_peer.py` calls it in a process of its own, in a virtual environment made for it:

    uv venv --python 3.11 PEER
    uv pip install --python PEER/bin/python torch==2.13.0 torchaudio==2.11.0 transformers==4.57.6 vocos==0.1.0 \
        vector_quantize_pytorch==1.17.3 pybase16384==0.3.9 numba==0.68.1 numpy==2.4.6 safetensors==0.8.0 requests tqdm
    uv pip install --python PEER/bin/python --no-deps --no-binary chattts chattts==0.2.5
    python benchmarks/chattts_parity.py --peer PEER/bin/python [--layers N] [--seed N] [--folder FOLDER]

spoken     prompts, codes and hidden states of rows of different lengths, all but greedy: upstream's left-padded batch,
           and our engine with fewer slots than rows; with a speaker, up to each row's own end, and after a sample
refined    prompts and tokens of texts that are refined, likewise
sound      waveforms of upstream's steps: each row alone there, one padded batch of rows of all lengths here; then those
           of our own steps, from text to sound
strings    speakers and audio prompts: each side writes, and reads what the other wrote, byte for byte
zero-shot  log-mel and codes of waveforms: each alone there, one padded batch here

A difference is the largest one over the root mean square of upstream's values; where all has to be the same, it is the
share of items that are not. At a temperature of 1e-4 a few of the thousands of draws are between codes whose scores are
alike to six digits, and the sides may draw differently; the default leaves next to none of these. Random weights speak
noise: how the published ones sound is not known here. Ends with status 1 if anything is further apart than allowed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import num_cores
from lib.chattts_parity_checks import HIDDEN, MEL, SAME, SOUND, Check, apart, report, unlike
from lib.chattts_parity_inputs import (
    ENDING,
    PASSES,
    REFINED_TOKENS,
    REFINING,
    SAMPLE_STEPS,
    SOUNDED,
    TEXTS,
    Inputs,
    Pass,
    inputs_of,
    lines_of,
    write_job,
    write_weights,
)
from torch.nn.utils.rnn import pad_sequence

from speechmill.actors.engine.request import Generated, Sampling
from speechmill.actors.engine.shared import Drawn
from speechmill.actors.models.chattts.checkpoint.layout import FULL, Sizes
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.nets.acoustic import Dvae, HiddenDecoder
from speechmill.actors.models.chattts.nets.mel import MelSpectrogram
from speechmill.actors.models.chattts.nets.quantiser import ResidualStart
from speechmill.actors.models.chattts.nets.vocos import Vocos
from speechmill.actors.models.chattts.options import Options
from speechmill.actors.models.chattts.speech import ChatttsSpeech, Line
from speechmill.actors.models.chattts.synthesis import MelDecoder, decode
from speechmill.actors.models.chattts.text.tokens import Tokenizer
from speechmill.actors.models.chattts.voices import speaker as strings

PEER = Path(__file__).with_name("chattts_parity_peer.py")
PLENTY = 2**40
SLOTS = 5
"""Fewer than rows, so that rows wait, leave, and move."""
NOTHING = {"hiddens": float("nan"), "codes": -1, "waves": float("nan")}
"""What padding is filled with: anything, as none of it may be heard."""


@dataclass(frozen=True, slots=True, eq=False)
class Upstream:
    """What upstream answered: arrays and strings by name."""

    arrays: dict[str, Any]
    strings: dict[str, Any]

    def of(self, rows: Sequence[str], what: str) -> list[Any]:
        """One kind of array, of each row."""
        return [self.arrays[f"{row}/{what}"] for row in rows]


class Overheard(ChatttsSpeech):
    """Speech that keeps what the engine gave for each line."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rows: dict[int, Generated] = {}
        synthesis: Any = self.synthesis
        synthesis._steps = self._keeping(synthesis._steps)

    def _keeping(
        self, steps: Callable[[Generated | Drawn], torch.Tensor]
    ) -> Callable[[Generated | Drawn], torch.Tensor]:
        def kept(row: Generated | Drawn) -> torch.Tensor:
            if isinstance(row, Generated):
                self.rows[row.key] = row
            return steps(row)

        return kept


def main() -> int:
    """Run upstream, then ours, and compare."""
    arguments = _arguments()
    sizes = replace(FULL, num_layers=arguments.layers)
    torch.set_num_threads(num_cores())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary).resolve()
        weights = folder / f"weights-{sizes.num_layers}-{arguments.seed}"
        if not weights.exists():
            write_weights(weights, sizes, arguments.seed)
        inputs = inputs_of(sizes, arguments.seed)
        write_job(folder, weights, sizes, inputs, arguments.temperature)
        began = time.perf_counter()
        subprocess.run([arguments.peer, str(PEER), str(folder)], check=True)
        peer_s = time.perf_counter() - began
        with np.load(folder / "upstream.npz") as arrays:
            upstream = Upstream(dict(arrays), json.loads((folder / "upstream.json").read_text()))
        checkpoint = Checkpoint.open(weights, cache=folder / "cache")
        with torch.inference_mode():
            checks = compared(checkpoint, inputs, upstream, arguments.temperature)
        own_s = time.perf_counter() - began - peer_s
    given = {name: getattr(arguments, name) for name in ("layers", "seed", "temperature")}
    report(checks, given | {"peer_s": round(peer_s, 1), "own_s": round(own_s, 1)})
    return 0 if all(check.is_met for check in checks) else 1


def compared(checkpoint: Checkpoint, inputs: Inputs, upstream: Upstream, temperature: float) -> list[Check]:
    """Every check."""
    speech = Overheard(checkpoint, "cpu", "float32", Options(dtype="float32", incomplete="keep"))
    tokenizer = Tokenizer(checkpoint.tokenizer_file, checkpoint.sizes)
    checks: list[Check] = []
    for batch in PASSES:
        checks += spoken(speech, batch, lines_of(batch, tokenizer, inputs, temperature), upstream)
    checks += refined(speech, tokenizer, upstream, temperature)
    vocos = Vocos(checkpoint.sizes, checkpoint.load("vocos", "cpu", torch.float32))
    dvae = Dvae(checkpoint.sizes, checkpoint.load("dvae", "cpu", torch.float32), ResidualStart.BOUNDED)
    hidden = HiddenDecoder(checkpoint.sizes, checkpoint.load("decoder", "cpu", torch.float32))
    checks.append(sounded("sound: hidden states", hidden, "hiddens", vocos, upstream))
    checks.append(sounded("sound: codes", dvae, "codes", vocos, upstream))
    return checks + exchanged(checkpoint.sizes, inputs, upstream) + heard(checkpoint, dvae, inputs, upstream)


def spoken(speech: Overheard, batch: Pass, lines: Sequence[Line], upstream: Upstream) -> list[Check]:
    """A pass: prompts, codes and hidden states; and where rows are whole, what they sound like."""
    positions = max(len(line.tokens) for line in lines) + SAMPLE_STEPS + batch.max_steps
    speech.reserve(usable_bytes=PLENTY, slots=SLOTS, positions=positions, text_positions=0, most=SLOTS)
    waves = dict(speech.speak(lines))
    rows = [speech.rows[number] for number in range(len(lines))]
    steps = [row.num_steps for row in rows]
    of = f"{len(rows)} rows, {min(steps)} to {max(steps)} steps, {sum(row.is_complete for row in rows)} ended"
    prompts, codes = [line.tokens for line in lines], [row.codes for row in rows]
    hiddens, name = [row.hiddens for row in rows], batch.name
    checks = [
        Check(f"{name}: prompts", f"{len(rows)} rows", unlike(prompts, upstream.of(batch.rows, "prompt")), SAME),
        Check(f"{name}: codes", of, unlike(codes, upstream.of(batch.rows, "codes")), SAME),
        Check(f"{name}: hidden states", of, apart(hiddens, upstream.of(batch.rows, "hiddens")), HIDDEN),
    ]
    if batch is ENDING:
        own = [waves[number] for number in range(len(lines))]
        checks.append(Check(f"{name}: sound", of, apart(own, upstream.of(batch.rows, "hiddens/sound")), SOUND))
    return checks


def refined(speech: ChatttsSpeech, tokenizer: Tokenizer, upstream: Upstream, temperature: float) -> list[Check]:
    """Texts that are refined: prompts and tokens."""
    sampling = Sampling((temperature,), penalty=1.0, min_steps=REFINED_TOKENS, max_steps=REFINED_TOKENS)
    prompts = [tokenizer.refine_prompt(text, REFINING) for text in TEXTS]
    positions = max(map(len, prompts)) + REFINED_TOKENS
    speech.reserve(usable_bytes=PLENTY, slots=SLOTS, positions=0, text_positions=positions, most=SLOTS)
    found = dict(speech.refine(Line(tuple(prompt), None, None, 0, sampling) for prompt in prompts))
    names, tokens = [f"refined/{row}" for row in range(len(TEXTS))], [found[row] for row in range(len(TEXTS))]
    of = f"{len(TEXTS)} rows, {REFINED_TOKENS} tokens"
    return [
        Check("refined: prompts", f"{len(TEXTS)} rows", unlike(prompts, upstream.of(names, "prompt")), SAME),
        Check("refined: tokens", of, unlike(tokens, upstream.of(names, "tokens")), SAME),
    ]


def sounded(what: str, decoder: MelDecoder, kind: str, vocos: Vocos, upstream: Upstream) -> Check:
    """One padded batch of rows of different lengths, each against itself alone."""
    names, lengths = list(SOUNDED), list(SOUNDED.values())
    rows = [torch.from_numpy(steps[:length]) for steps, length in zip(upstream.of(names, kind), lengths, strict=True)]
    padded = pad_sequence(rows, batch_first=True, padding_value=NOTHING[kind])
    waves = decode(padded.transpose(1, 2), torch.tensor(lengths), decoder, vocos)
    own = [wave[: FULL.timing.num_samples(length)] for wave, length in zip(waves, lengths, strict=True)]
    of = f"{len(rows)} rows, {min(lengths)} to {max(lengths)} steps"
    return Check(what, of, apart(own, upstream.of(names, f"{kind}/sound")), SOUND)


def exchanged(sizes: Sizes, inputs: Inputs, upstream: Upstream) -> list[Check]:
    """Strings of speakers and of audio prompts, written by both and read by the other, and the one of statistics."""
    theirs, statistics = upstream.strings, upstream.strings["statistics"]
    speakers, drawn = theirs["speakers"], theirs["drawn"]
    own_speakers = [strings.encode_speaker(vector) for vector in inputs.speakers]
    own_prompts = [strings.encode_audio_prompt(prompt) for prompt in inputs.prompts]
    read = [strings.decode_speaker(text, sizes.hidden) for text in speakers]
    redrawn = [strings.encode_speaker(strings.decode_speaker(text, sizes.hidden)) for text in drawn]
    read_there = upstream.of([f"speaker/{number}" for number in range(len(speakers))], "read")
    prompts_read = [strings.decode_audio_prompt(text, sizes.num_vq) for text in theirs["prompts"]]
    prompts_there = upstream.of([f"prompt/{number}" for number in range(len(own_prompts))], "read")
    again = strings.encode_statistics(strings.decode_statistics(statistics, sizes.hidden))
    return [
        Check("speakers: strings written", f"{len(speakers)}", unlike(own_speakers, speakers), SAME),
        Check("speakers: theirs read here", f"{len(speakers)}", unlike(read, list(inputs.speakers)), SAME),
        Check("speakers: ours read there", f"{len(speakers)}", unlike(list(inputs.speakers), read_there), SAME),
        Check("speakers: drawn there, read and written here", f"{len(drawn)}", unlike(redrawn, drawn), SAME),
        Check("speakers: statistics read and written", "1", unlike([again], [statistics]), SAME),
        Check("prompts: strings written", f"{len(own_prompts)}", unlike(own_prompts, theirs["prompts"]), SAME),
        Check("prompts: theirs read here", f"{len(own_prompts)}", unlike(prompts_read, inputs.prompts), SAME),
        Check("prompts: ours read there", f"{len(own_prompts)}", unlike(inputs.prompts, prompts_there), SAME),
    ]


def heard(checkpoint: Checkpoint, dvae: Dvae, inputs: Inputs, upstream: Upstream) -> list[Check]:
    """Zero-shot: one padded batch of waveforms to log-mel and codes."""
    names = [f"wave/{number}" for number in range(len(inputs.waves))]
    waves = [torch.from_numpy(wave) for wave in inputs.waves]
    padded = pad_sequence(waves, batch_first=True, padding_value=NOTHING["waves"])
    transform = MelSpectrogram(checkpoint.sizes, checkpoint.load("dvae", "cpu", torch.float32))
    mels, frames = transform(padded, torch.tensor([len(wave) for wave in waves]))
    codes = dvae.encode(mels, frames)
    own_mels = [mel[:, :count] for mel, count in zip(mels, frames, strict=True)]
    own_codes = [row[:, : count // 2] for row, count in zip(codes, frames, strict=True)]
    of = f"{len(waves)} waveforms, {' and '.join(str(int(count)) for count in frames)} frames"
    steps = [code for row in own_codes for code in row.T]
    steps_there = [code for row in upstream.of(names, "codes") for code in row.T]
    return [
        Check("zero-shot: log-mel", of, apart(own_mels, upstream.of(names, "mel")), MEL),
        Check("zero-shot: codes", f"{len(steps)} steps", unlike(steps, steps_there), SAME),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="the Python of upstream's virtual environment")
    parser.add_argument("--layers", type=int, default=FULL.num_layers, help="of the language model; fewer are faster")
    parser.add_argument("--seed", type=int, default=0, help="of weights and inputs")
    parser.add_argument("--temperature", type=float, default=1e-6, help="so low that drawing is all but greedy")
    parser.add_argument("--folder", help="keep weights and answers here; else they are thrown away")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
