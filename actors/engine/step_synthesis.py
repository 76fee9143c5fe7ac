"""Prompts in, waveforms or tokens out: the token loop and the decoder, for any network.

Guaranteed: every request comes back once, with its audio or with the reason of its failure. Slots and decoding stay
within the reserved memory. On a GPU every kernel has run before the first row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ...errors import RowError, RowRejected
from ..device.card import CardPoint
from ..records.stream_handle import StreamHandle
from .decoding import Decoder, decoding_thread
from .engine import Engine
from .growth import Growth
from .kept_slots import kept_choice, slots_key
from .request import Generated, Request
from .seams import ChunkedRow, DecodeWindow, Seam, decode_windows
from .shared import Drawn, SharedEngine
from .slots import choose_slots, step_times, tried_slots, warm, warm_windows
from .step.shape import graph_bytes
from .step.usage import Usage
from .step_settings import StepSettings, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .network import Network

_BATCH_STEPS = {"cpu": 2_048, "cuda": 16_384}
"""Steps that are decoded together; for ChatTTS they are some forty seconds, and six minutes."""
_FIXED_SLOTS = {"cpu": 16, "cuda": 64}
"""Slots if steps have one shape and the job sets no batch size. Not measured: that would differ by machine."""
_BESIDE_STREAMS = {"cpu": 4, "cuda": 128}
"""Rows of a job that are spoken beside streams: so many make a step hardly longer."""


class StepNetworks(Protocol):
    """The networks of a model, loaded on its device."""

    @property
    def settings(self) -> StepSettings:
        """The constant settings."""
        ...

    def network(self, task: Task) -> Network:
        """The network that is stepped for a task."""
        ...

    def decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Steps [batch, channels, steps] and lengths int64 [batch] to waveforms float32 [batch, samples]."""
        ...


class StepSynthesis:
    """Requests through the engines of one model, once memory is reserved."""

    def __init__(self, networks: StepNetworks) -> None:
        self._networks = networks
        self.settings = networks.settings
        self._device = torch.device(self.settings.device)
        self._engines: dict[Task, SharedEngine] = {}
        self._reserved = (0, 0)
        self._launcher = decoding_thread(self._device)

    @property
    def usage(self) -> Usage:
        """The use of the slots of all engines so far."""
        return sum((engine.usage for engine in self._engines.values()), Usage())

    def slot_bytes(self, positions: Mapping[Task, int]) -> int:
        """Bytes of one slot: keys and values, and the steps that are kept for the decoder."""
        total = 0
        for task, count in positions.items():
            network = self._networks.network(task)
            kept = network.hidden * network.dtype.itemsize * self._keeps_hiddens(task) + 8 * network.num_codebooks
            total += count * (network.position_bytes + kept)
        return total

    def reserve(self, usable_bytes: int, slots: int | None, positions: Mapping[Task, int], most: int) -> int:
        """Allocate slots; their number, 0 if they do not fit.

        If `slots` is None, steps of 1, 2, 4, … rows are measured, and the fewest rows are taken that are about the
        fastest. The choice is kept on disk. On a GPU, every kernel has run when this returns.

        Args:
            usable_bytes: Memory for slots and for decoding.
            slots: Rows at once; None for as many as are of use.
            positions: The most positions of one row, prompt and steps together, by task; other tasks are not done.
            most: The most slots if `slots` is None.
        """
        kind = self._device.type
        decoder_bytes = _BATCH_STEPS[kind] * self.settings.decode_step_bytes if "speak" in positions else 0
        usable_bytes -= decoder_bytes
        room = self._room(usable_bytes, positions, most if slots is None else slots)
        if slots is None:
            slots = _FIXED_SLOTS[kind] if self.settings.is_deterministic else self._useful_slots(min(room, most))
        if not 0 < slots <= room:
            return 0
        self._reserved = slots, decoder_bytes
        for task, count in positions.items():
            self._engines[task] = self._engine_of(task, slots, count)
        if kind == "cuda" and "speak" in positions:
            self._warm_decoder(positions["speak"])
        return slots

    def _room(self, usable_bytes: int, positions: Mapping[Task, int], most: int) -> int:
        """The number of slots that fit, beside the graphs of their steps; not below 0."""
        slots = usable_bytes // self.slot_bytes(positions)
        if slots > 0:
            usable_bytes -= self._graph_bytes(min(slots, most), positions)
        return max(0, usable_bytes // self.slot_bytes(positions))

    def _graph_bytes(self, slots: int, positions: Mapping[Task, int]) -> int:
        """Memory of the graphs of the steps of all engines; 0 on a CPU."""
        if self._device.type != "cuda":
            return 0
        is_fixed = self.settings.is_deterministic
        return sum(graph_bytes(slots, count, is_fixed=is_fixed) for count in positions.values())

    def speak(self, requests: Iterable[Request]) -> Iterator[tuple[int, NDArray[np.float32] | RowError]]:
        """Speak requests, in the order in which they end: the key of each, and float32 [num_samples] or a RowError."""
        requests = list(requests)
        # A row that is decoded beside others is padded to their length, which changes the order of its sums.
        batch_steps = 1 if self.settings.is_deterministic else _BATCH_STEPS[self._device.type]
        samples = self.settings.timing.num_samples
        decoder = Decoder(self._decode, samples, batch_steps, self._device, self._launcher)
        for number, row in enumerate(self._engine("speak").run(requests), start=1):
            if self._is_refused(row):
                yield row.key, self._unfinished(row)
            else:
                decoder.put(row.key, self._steps(row))
            yield from decoder.take(is_last=number == len(requests))

    def stream(self, request: Request, listener: StreamHandle) -> Iterator[NDArray[np.float32]]:
        """Speak one request before all others: pieces of its waveform float32 [num_samples] as they are drawn.

        Once the listener has gone, the slot is free before the next step. The listener gets the times of the work
        before the first piece.

        Raises:
            RowRejected: The row was cut off, and such rows are not kept; raised after the last piece
        """
        drawn = self._engine("speak").stream(request, self.settings.streaming, listener)
        return self._heard(drawn, listener)

    def stream_growing(self, growth: Growth, listener: StreamHandle) -> Iterator[NDArray[np.float32]]:
        """As `stream`, of a speech whose text arrives. The calling thread takes the text as it comes.

        Raises:
            RowError: A part of the text cannot be spoken; raised after the pieces before it
        """
        drawn = self._engine("speak").stream_growing(growth, self.settings.streaming, listener)
        return self._heard(drawn, listener)

    def _heard(self, chunks: Iterator[Drawn], listener: StreamHandle) -> Iterator[NDArray[np.float32]]:
        """Decode the chunks of a stream."""
        policy, timing = self.settings.streaming, self.settings.timing
        overlap = timing.step_samples if policy.ahead and policy.first > 1 else 0
        row = ChunkedRow(Seam(timing, policy, overlap))
        for drawn in chunks:
            with listener.spending("vocoder"):
                [samples] = decode_windows([DecodeWindow(row, drawn.chunk, self._steps(drawn))], self._decode)
            if len(samples):
                yield samples
            if drawn.end is not None and self._is_refused(drawn.end):
                raise self._unfinished(drawn.end)

    def refine(self, requests: Iterable[Request]) -> Iterator[tuple[int, list[int] | RowError]]:
        """Refine texts, in the order in which they end: the key of each, and its tokens or a RowError."""
        for row in self._engine("refine").run(list(requests)):
            if self._is_refused(row):
                yield row.key, RowRejected(f"refining its text had not ended after {row.num_steps} tokens")
            else:
                yield row.key, row.codes[:, 0].tolist()

    def card_points(self, positions: Mapping[Task, int]) -> list[CardPoint]:
        """Measure what steps take of the device, with the memory of their slots and graphs.

        For as many slots as there are, and down to an eighth of them. `reserve` comes first; nothing else uses the
        engines.
        """
        task: Task = "speak" if "speak" in positions else "refine"
        engine, network = self._engine(task), self._networks.network(task)
        (slots, fixed), slot_bytes = self._reserved, self.slot_bytes(positions)
        times = step_times(engine, network, self._device, tried_slots(slots)[-5:])
        found: list[CardPoint] = []
        for rows, seconds in times.items():
            memory = fixed + rows * slot_bytes + self._graph_bytes(rows, positions)
            found.append(CardPoint(rows, rows, memory, *seconds))
        return found

    def _engine(self, task: Task) -> SharedEngine:
        assert task in self._engines, "reserve has to come first"
        return self._engines[task]

    def _engine_of(self, task: Task, slots: int, positions: int) -> SharedEngine:
        network = self._networks.network(task)
        is_fixed = self.settings.is_deterministic
        beside = _BESIDE_STREAMS[self._device.type] if task == "speak" else None
        inner = Engine(
            network,
            slots,
            positions,
            self._device,
            is_fixed=is_fixed,
            beside_urgent=beside,
            keeps_hiddens=self._keeps_hiddens(task),
            looks_at_all=task == "speak" and self.settings.looks_at_all,
        )
        engine = SharedEngine(inner)
        if self._device.type == "cuda":
            warm(engine, network, slots)
            inner.capture()
        return engine

    def _keeps_hiddens(self, task: Task) -> bool:
        return task == "speak" and self.settings.decodes == "hiddens"

    def _useful_slots(self, most: int) -> int:
        """The useful number of slots on this machine, up to `most`; measured if it is not in the cache."""
        if most < 1:
            return 0
        network = self._networks.network("speak")
        tried, dtype, threads = tried_slots(most), str(network.dtype), torch.get_num_threads()
        facts = {**self.settings.facts, "dtype": dtype, "threads": threads}
        key = slots_key(self.settings.name, self._device, tried, facts)
        return kept_choice(key, tried, lambda: choose_slots(network, self._device, tried)).slots

    def _warm_decoder(self, steps: int) -> None:
        network = self._networks.network("speak")
        is_hidden = self.settings.decodes == "hiddens"
        channels, dtype = (network.hidden, network.dtype) if is_hidden else (network.num_codebooks, torch.long)
        step = torch.zeros(channels, dtype=dtype, device=self._device)
        warm_windows(self._decode, step, self.settings.streaming, steps)

    def _is_refused(self, row: Generated) -> bool:
        """Whether a row was cut off, and such rows are not kept."""
        return not row.is_complete and not self.settings.keeps_incomplete

    def _unfinished(self, row: Generated) -> RowError:
        seconds = self.settings.timing.seconds(row.num_steps)
        return RowRejected(
            f"the model had not ended after {row.num_steps} steps ({seconds:.0f} s of speech): {self.settings.advice}"
        )

    def _steps(self, row: Generated | Drawn) -> Tensor:
        """The decoder's input for a row: [steps, channels]."""
        return row.hiddens if self.settings.decodes == "hiddens" else row.codes

    @torch.inference_mode()
    def _decode(self, steps: Tensor, lengths: Tensor) -> Tensor:
        return self._networks.decode(steps, lengths)
