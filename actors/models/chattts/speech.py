"""The networks of ChatTTS on one device: prompts in, waveforms out, rows in any number and of any voice.

Guarantees that every line that is given comes back once, spoken or with the reason why not. Knows neither text nor
voices' names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ....errors import RowError, RowRejected
from ...engine.cache import Cache
from ...engine.chunks import ChunkPolicy
from ...engine.engine import Engine, Usage
from ...engine.kept_slots import kept_choice, slots_key
from ...engine.request import Generated, Request, Sampling
from ...engine.shared import Drawn, SharedEngine
from ...engine.slots import choose_slots, tried_slots, warm, warm_windows
from ...records.stream_handle import StreamHandle
from .checkpoint.layout import SAMPLE_RATE, Sizes, token_id
from .checkpoint.weights import Checkpoint
from .chunked import ChunkedRow, DecodeWindow, Seam, decode_windows
from .decoding import Decoder
from .nets.acoustic import Dvae, HiddenDecoder
from .nets.backbone import Backbone, CodeNetwork, TextNetwork
from .nets.mel import MelSpectrogram
from .nets.vocos import Vocos
from .options import Options
from .synthesis import MelDecoder, decode, num_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...engine.network import Network

_BATCH_STEPS = {"cpu": 2_048, "cuda": 16_384}
"""Steps that are decoded together: some forty seconds, and six minutes."""
_DECODER_STEP_BYTES = 96 * 1024
"""What decoding takes for each step of a batch, in float32: the widest activations that are alive together."""
_FIXED_SLOTS = {"cpu": 16, "cuda": 64}
"""Where steps have one shape and the job names no batch size. Not measured: that would differ by machine."""
_BESIDE_STREAMS = {"cpu": 4, "cuda": 128}
"""Rows of a job that are spoken while anything is streamed: so many make a step hardly longer."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What is spoken at once.

    tokens    of the prompt
    speaker   float16 [hidden]; None where the voice is that of the sample, or any
    sample    codes of speech in the voice, uint16 [num_vq, steps], which the line continues
    seed      of all that is drawn
    """

    tokens: tuple[int, ...]
    speaker: NDArray[np.float16] | None
    sample: NDArray[np.uint16] | None
    seed: int
    sampling: Sampling


class ChatttsSpeech:
    """Weights on a device, and the engine that runs them once memory is reserved.

    policy   how streams are cut into chunks
    """

    def __init__(self, checkpoint: Checkpoint, device: str, dtype: str, options: Options) -> None:
        self._sizes, self._options, self._device = checkpoint.sizes, options, torch.device(device)
        self._dtype = cast("torch.dtype", getattr(torch, dtype))
        self.policy = options.streaming
        embed = checkpoint.load("embed", device, self._dtype)
        gpt = checkpoint.load("gpt", device, self._dtype)
        backbone = _compiled() if options.compile else Backbone
        self._backbone = backbone(checkpoint.sizes, gpt, embed, is_exact=options.deterministic)
        self._network = CodeNetwork(self._backbone, embed)
        self._text_network = TextNetwork(self._backbone, embed, token_id("[Ebreak]", checkpoint.sizes))
        self._vocos = Vocos(checkpoint.sizes, checkpoint.load("vocos", device, self._dtype))
        self._checkpoint = checkpoint
        self._mel_decoder = self._load_mel_decoder()
        self._engine: SharedEngine | None = None
        self._text_engine: SharedEngine | None = None

    @property
    def usage(self) -> Usage:
        """How the slots of both engines were used so far."""
        total = Usage()
        for engine in (self._engine, self._text_engine):
            if engine is not None:
                total += engine.usage
        return total

    def slot_bytes(self, positions: int) -> int:
        """What one slot of the engine takes: keys and values, and what is kept of each step for the decoder."""
        s = self._sizes
        per_position = Cache.bytes_per_position(s.num_layers, s.num_heads, s.head_dim, self._dtype)
        return positions * (per_position + s.hidden * self._dtype.itemsize + 8 * s.num_vq)

    def reserve(self, usable_bytes: int, slots: int | None, positions: int, text_positions: int, most: int) -> int:
        """Take memory for so many slots, or for as many as are of use; how many, 0 if they do not fit.

        positions, text_positions   of a row that is spoken, and of one that is refined; 0 where none will be

        Where the number is free, steps of 1, 2, 4, … rows are tried, and the fewest taken that are about the fastest;
        the choice is kept on disk. On a GPU, every kernel has run when this returns.
        """
        kind = self._device.type
        decoder_bytes = _BATCH_STEPS[kind] * _DECODER_STEP_BYTES * self._dtype.itemsize // 4 if positions else 0
        room = (usable_bytes - decoder_bytes) // self.slot_bytes(positions + text_positions)
        if slots is None:
            slots = _FIXED_SLOTS[kind] if self._options.deterministic else self._useful_slots(min(room, most))
        if not 0 < slots <= room:
            return 0
        if positions:
            self._engine = self._engine_of(self._network, slots, positions, _BESIDE_STREAMS[kind])
            if kind == "cuda":
                self._warm_decoder(positions)
        if text_positions:
            self._text_engine = self._engine_of(self._text_network, slots, text_positions, None)
        return slots

    def _useful_slots(self, most: int) -> int:
        """What was found useful on this machine, up to `most`; measured where it never was."""
        if most < 1:
            return 0
        tried, dtype, threads = tried_slots(most), str(self._dtype), torch.get_num_threads()
        facts = {"sizes": asdict(self._sizes), "dtype": dtype, "threads": threads, "compile": self._options.compile}
        key = slots_key("chattts", self._device, tried, facts)
        return kept_choice(key, tried, lambda: choose_slots(self._network, self._device, tried)).slots

    def _engine_of(self, network: Network, slots: int, positions: int, beside_urgent: int | None) -> SharedEngine:
        is_fixed = self._options.deterministic
        inner = Engine(network, slots, positions, self._device, is_fixed=is_fixed, beside_urgent=beside_urgent)
        engine = SharedEngine(inner)
        if self._device.type == "cuda":
            warm(engine, network, slots)
            inner.usage = Usage()
        return engine

    def _warm_decoder(self, steps: int) -> None:
        is_hidden, s = self._options.decoder == "hidden", self._sizes
        channels, dtype = (s.hidden, self._dtype) if is_hidden else (s.num_vq, torch.long)
        step = torch.zeros(channels, dtype=dtype, device=self._device)
        warm_windows(self._decode, step, self._options.streaming, steps)

    def speak(self, lines: Iterable[Line]) -> Iterator[tuple[int, NDArray[np.float32] | RowError]]:
        """Speak lines: the number of each, and its waveform float32 [num_samples] or why there is none."""
        assert self._engine is not None, "reserve has to come first"
        requests = [self._request(number, line) for number, line in enumerate(lines)]
        # A row that is decoded beside others is padded to their length, which other sums come of.
        batch_steps = 1 if self._options.deterministic else _BATCH_STEPS[self._device.type]
        decoder = Decoder(self._decode, self._num_samples, batch_steps, self._device)
        for number, row in enumerate(self._engine.run(requests), start=1):
            if self._is_refused(row):
                yield row.key, _unfinished(row, self._sizes)
            else:
                decoder.put(row.key, self._steps(row))
            yield from decoder.take(is_last=number == len(requests))

    def stream(self, line: Line, listener: StreamHandle) -> Iterator[NDArray[np.float32]]:
        """Speak one line before all others: pieces of its waveform float32 [num_samples] as they are drawn.

        listener   once he has gone, the line leaves its slot before the next step; told of what the first piece takes
        Raises RowRejected, after the last piece, for a line that has not ended, unless such rows are kept.
        """
        assert self._engine is not None, "reserve has to come first"
        policy = self.policy
        row = ChunkedRow(Seam(self._sizes, policy, _overlap(policy, self._sizes)))
        for drawn in self._engine.stream(self._request(0, line), policy, listener):
            with listener.spending("vocoder"):
                [samples] = decode_windows([DecodeWindow(row, drawn.chunk, self._steps(drawn))], self._decode)
            if len(samples):
                yield samples
            if drawn.end is not None and self._is_refused(drawn.end):
                raise _unfinished(drawn.end, self._sizes)

    def refine(self, lines: Iterable[Line]) -> Iterator[tuple[int, list[int] | RowError]]:
        """Write lines as they would be spoken: the number of each, and its tokens or why there are none."""
        assert self._text_engine is not None, "reserve has to come first"
        for row in self._text_engine.run([self._request(number, line) for number, line in enumerate(lines)]):
            if self._is_refused(row):
                yield row.key, RowRejected(f"refining its text had not ended after {row.num_steps} tokens")
            else:
                yield row.key, row.codes[:, 0].tolist()

    def read_sample(self, file: str) -> NDArray[np.uint16]:
        """Codes uint16 [num_vq, steps] of a recording of any format, rate and channels that libsndfile reads.

        Raises ModelError if it cannot be read, RowRejected if it is too short.
        """
        from .voices.recording import read_recording

        state = self._checkpoint.load("dvae", self._device, torch.float32)
        wave = torch.from_numpy(read_recording(Path(file), SAMPLE_RATE)).to(self._device)[None]
        with torch.inference_mode():
            mel, frames = MelSpectrogram(self._sizes, state)(wave, torch.tensor([wave.shape[1]]))
            codes = Dvae(self._sizes, state).encode(mel, frames)[0]
        return codes.cpu().numpy().astype("uint16")

    def _load_mel_decoder(self) -> MelDecoder:
        part = "decoder" if self._options.decoder == "hidden" else "dvae"
        state = self._checkpoint.load(part, self._device, self._dtype)
        return HiddenDecoder(self._sizes, state) if part == "decoder" else Dvae(self._sizes, state)

    def _request(self, number: int, line: Line) -> Request:
        return Request(number, self._prompt(line), line.seed, line.sampling)

    def _prompt(self, line: Line) -> Tensor:
        """Embeddings float [length, hidden]: the tokens with the voice in its place, and behind them the sample."""
        ids = torch.tensor(line.tokens, device=self._device)
        prompt = self._backbone.embed_text(ids)
        if line.speaker is not None:
            # Normalised in float16 on the CPU, as ChatTTS does, so that it is the same vector on every device.
            voice = F.normalize(torch.from_numpy(line.speaker.copy()), dim=0, eps=1e-12)
            is_voice = ids == token_id("[spk_emb]", self._sizes)
            prompt = torch.where(is_voice[:, None], voice.to(prompt), prompt)
        if line.sample is not None:
            codes = torch.from_numpy(line.sample.astype("int64")).to(self._device)
            prompt = torch.cat((prompt, self._backbone.embed_codes(codes.T)))
        return prompt

    def _is_refused(self, row: Generated) -> bool:
        """Whether a row was cut off, and such rows are not kept."""
        return not row.is_complete and self._options.incomplete == "fail"

    def _steps(self, row: Generated | Drawn) -> Tensor:
        """What the decoder takes of a row: [steps, channels]."""
        return row.hiddens if self._options.decoder == "hidden" else row.codes

    @torch.inference_mode()
    def _decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        return decode(steps, lengths, self._mel_decoder, self._vocos)

    def _num_samples(self, steps: int) -> int:
        return num_samples(steps, self._sizes)


def _compiled() -> type[Backbone]:
    # Only here: it imports the compiler, which takes seconds.
    from .nets.compiled import CompiledBackbone

    return CompiledBackbone


def _overlap(policy: ChunkPolicy, sizes: Sizes) -> int:
    """Samples that chunks are faded over: a step, where there is a look-ahead and more than a step to a chunk."""
    return sizes.step_samples if policy.ahead and policy.first > 1 else 0


def _unfinished(row: Generated, sizes: Sizes) -> RowError:
    seconds = row.num_steps * sizes.step_samples / SAMPLE_RATE
    return RowRejected(
        f"the model had not ended after {row.num_steps} steps ({seconds:.0f} s of speech): try another seed or a "
        "shorter text, raise model.options.max_steps, or keep such rows (model.options.incomplete: keep)"
    )
