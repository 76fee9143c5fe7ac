"""The token loop: rows join at any step and leave at their end. It reads schedule, prefill, step, collect.

Guarantees that every request ends as exactly one `Generated`, and that what a row draws comes from its own prompt,
settings and seed. Its logits are computed beside others'; how many there are decides the shape of the sums, so they
differ by float rounding unless `is_fixed` keeps the shape the same.
Not known here: text, voices, audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .cache import Cache
from .request import Generated, Request
from .sampler import Sampler
from .schedule import Chunk, Schedule

PREFILL_POSITIONS = 2_048
"""Positions of prompts computed before one step: more would keep the rows that are being spoken waiting."""

FIXED_POSITIONS = 256
"""Where shapes are fixed, positions of one prompt computed at once: how it is cut is its own affair."""

POSITIONS_STEP = 64
"""Attention looks at so many positions more at a time: few shapes, and little work beyond the longest row."""


class Network(Protocol):
    """An autoregressive model as the engine sees it."""

    num_codebooks: int
    vocabulary: int
    end: int
    hidden: int
    dtype: torch.dtype

    def cache(self, slots: int, positions: int) -> Cache:
        """Room for the keys and values of this many rows."""
        ...

    def embed(self, codes: Tensor) -> Tensor:
        """Codes int64 [rows, codebooks] as input: float [rows, hidden]."""
        ...

    def hiddens(self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int) -> Tensor:
        """Hidden states of inputs x, both float [rows, time, hidden], the rows lying in the slots from `first` on.

        starts   int64 [rows]: the position of each row's first input; an input sees its own position and those before
        reach    positions of the cache to look at: no row holds more
        """
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Float [rows, codebooks, vocabulary] of hidden states [rows, hidden]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Parked:
    """All that a row has come to, out of its slot: it goes on from there to the same bits.

    cache      keys and values of its positions
    history    of its sampler
    following  the codes drawn last, and the hidden state that the next are drawn from
    """

    cache: Tensor
    history: Tensor
    following: tuple[Tensor, Tensor]
    codes: Tensor
    hiddens: Tensor


@dataclass(slots=True)
class _Row:
    """A request and what has come of it so far."""

    request: Request
    is_complete: bool = False
    parked: _Parked | None = None


@dataclass(slots=True)
class Usage:
    """How the slots were used: steps, rows in them, and rows computed; prompt positions prefilled."""

    steps: int = 0
    row_steps: int = 0
    slot_steps: int = 0
    prefilled: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.steps + other.steps,
            self.row_steps + other.row_steps,
            self.slot_steps + other.slot_steps,
            self.prefilled + other.prefilled,
        )

    @property
    def useful(self) -> float:
        """Share of the computed slots that held a row; 0 before the first step."""
        return self.row_steps / self.slot_steps if self.slot_steps else 0.0


class Engine:
    """Speaks requests through a network.

    slots       rows at once
    positions   the most that one row may hold, prompt and steps together
    is_fixed    compute all slots at every step, used or not: then a row's sums have one shape whatever its neighbours
    beside_urgent   rows that may be in slots beside urgent ones; all where None
    """

    def __init__(
        self,
        network: Network,
        slots: int,
        positions: int,
        device: torch.device,
        *,
        is_fixed: bool = False,
        beside_urgent: int | None = None,
    ) -> None:
        self._network, self._device, self._is_fixed = network, device, is_fixed
        self._positions = positions
        self._cache = network.cache(slots, positions)
        books, vocabulary, end = network.num_codebooks, network.vocabulary, network.end
        self._sampler = Sampler(slots, books, vocabulary, end, device, is_fixed=is_fixed)
        self._schedule: Schedule[_Row] = Schedule(slots, PREFILL_POSITIONS, beside_urgent)
        self._next = torch.zeros(slots, network.num_codebooks, dtype=torch.long, device=device)
        self._hidden = torch.zeros(slots, network.hidden, dtype=network.dtype, device=device)
        # What each row has come to, by its steps; it stays on the device until the row ends.
        self._codes = torch.zeros(slots, positions, network.num_codebooks, dtype=torch.long, device=device)
        self._hiddens = torch.zeros(slots, positions, network.hidden, dtype=network.dtype, device=device)
        self.usage = Usage()

    def clear(self) -> None:
        """Forget every row."""
        self._schedule.clear()

    def check(self, request: Request) -> None:
        """Raise ValueError for a request that no slot can hold."""
        if not 0 < request.num_positions <= self._positions:
            raise ValueError(f"{request.num_positions} positions do not fit into a slot of {self._positions}")

    def add(self, requests: Iterable[Request]) -> None:
        """Requests to be spoken. Raises ValueError for one that no slot can hold."""
        rows = list(requests)
        for request in rows:
            self.check(request)
        for request in rows:
            self._schedule.add(_Row(request), len(request.prompt), is_urgent=request.is_urgent)

    def cancel(self, keys: Iterable[int]) -> None:
        """Requests that nobody wants any more; their slots are free at the next step. Others are not known, or gone."""
        unwanted = frozenset(keys)
        for row in [row for row in self._schedule.rows() if row.request.key in unwanted]:
            for source, target in self._schedule.forget(row):
                self._move(source, target)

    def num_steps(self, key: int) -> int | None:
        """Steps that a row has come to; None if it is in no slot."""
        return next((slot.steps for slot in self._schedule.slots if slot.row.request.key == key), None)

    def so_far(self, key: int, start: int) -> tuple[Tensor, Tensor] | None:
        """Codes and hidden states of a row from step `start` on, as `Generated` has them; None if it is in no slot."""
        for number, slot in enumerate(self._schedule.slots):
            if slot.row.request.key == key:
                steps = slice(start, slot.steps)
                return self._codes[number, steps].clone(), self._hiddens[number, steps].clone()
        return None

    @property
    def is_idle(self) -> bool:
        """Whether every request has been answered."""
        return self._schedule.is_idle

    @torch.inference_mode()
    def run(self) -> Iterator[Generated]:
        """Speak until nothing is left; rows as they end. Requests may be added meanwhile."""
        while not self.is_idle:
            yield from self.step()

    @torch.inference_mode()
    def step(self) -> list[Generated]:
        """Let rows in, prefill, draw once for every row that is ready, collect what has ended, go on with the rest."""
        self._admit()
        self._prefill()
        ended = self._draw()
        done = self._collect(ended)
        self._advance()
        return done

    def _admit(self) -> None:
        while (number := self._schedule.next_to_park()) is not None:
            self._schedule.slots[number].row.parked = self._parked(number)
            for source, target in self._schedule.park(number):
                self._move(source, target)
        while (admitted := self._schedule.admit()) is not None:
            number, moves = admitted
            for source, target in moves:
                self._move(source, target)
            row = self._schedule.slots[number].row
            self._sampler.put(number, row.request.seed, row.request.sampling)
            if row.parked is not None:
                self._go_on(number, row.parked)
                row.parked = None

    def _parked(self, number: int) -> _Parked:
        """What lies in a slot, copied; in main memory, as a GPU's is for those that speak."""
        slot = self._schedule.slots[number]
        return _Parked(
            cache=self._cache.copy(number, slot.positions).cpu(),
            history=self._sampler.history(number).cpu(),
            following=(self._next[number].cpu().clone(), self._hidden[number].cpu().clone()),
            codes=self._codes[number, : slot.steps].cpu().clone(),
            hiddens=self._hiddens[number, : slot.steps].cpu().clone(),
        )

    def _go_on(self, number: int, parked: _Parked) -> None:
        """A row is as it was, in another slot."""
        slot = self._schedule.slots[number]
        self._cache.paste(number, parked.cache)
        self._sampler.go_on(number, slot.steps, parked.history)
        self._next[number], self._hidden[number] = (state.to(self._device) for state in parked.following)
        self._codes[number, : slot.steps] = parked.codes.to(self._device)
        self._hiddens[number, : slot.steps] = parked.hiddens.to(self._device)

    def _prefill(self) -> None:
        """The next chunks of prompts into the cache: as one padded batch, or each for itself where shapes are fixed."""
        if self._is_fixed:
            for chunk in self._schedule.whole_chunks(FIXED_POSITIONS):
                self._fill([chunk])
        elif chunks := self._schedule.chunks():
            self._fill(chunks)

    def _fill(self, chunks: Sequence[Chunk]) -> None:
        """Chunks as a padded batch; their rows lie side by side."""
        first, longest = chunks[0].slot, max(chunk.count for chunk in chunks)
        x = self._hidden.new_zeros(len(chunks), longest, self._hidden.shape[1])
        for row, chunk in enumerate(chunks):
            prompt = self._schedule.slots[chunk.slot].row.request.prompt
            x[row, : chunk.count] = prompt[chunk.start : chunk.start + chunk.count].to(x)
        starts = torch.tensor([chunk.start for chunk in chunks], device=self._device)
        counts = torch.tensor([chunk.count for chunk in chunks], device=self._device)
        reach = self._reach(max(chunk.start + chunk.count for chunk in chunks))
        hidden = self._network.hiddens(x, self._cache, first, starts, reach)
        last = torch.arange(len(chunks), device=self._device)
        self._hidden[first : first + len(chunks)] = hidden[last, counts - 1]
        for chunk in chunks:
            self._schedule.filled(chunk)
            self.usage.prefilled += chunk.count

    def _draw(self) -> list[int]:
        """Codes for every ready row, from its last hidden state; the slots of rows that end with them."""
        ready = self._schedule.num_ready
        if not ready:
            return []
        computed = len(self._hidden) if self._is_fixed else ready
        hidden = self._hidden[:computed]
        codes = self._sampler.draw(self._network.logits(hidden), ready)
        self._next[:ready] = codes
        self.usage.steps += 1
        self.usage.row_steps += ready
        self.usage.slot_steps += computed
        slots = self._schedule.slots[:ready]
        at = torch.tensor([slot.steps for slot in slots], device=self._device)
        rows = torch.arange(ready, device=self._device)
        self._codes[rows, at], self._hiddens[rows, at] = codes, hidden[:ready]
        ended: list[int] = []
        for number, is_end in enumerate((codes == self._network.end).any(1).tolist()):
            slot = slots[number]
            # The end itself is written behind the row's last step, and left out.
            slot.row.is_complete = is_end
            slot.steps += not is_end
            if is_end or slot.steps == slot.row.request.sampling.max_steps:
                ended.append(number)
        return ended

    def _collect(self, ended: Sequence[int]) -> list[Generated]:
        """Take rows out of their slots, the last slot first, so that the others keep their numbers."""
        done: list[Generated] = []
        for number in reversed(ended):
            done.append(self._generated(number))
            for source, target in self._schedule.leave(number):
                self._move(source, target)
        return done

    def _advance(self) -> None:
        """The codes that were drawn become input: the hidden states from which the next are drawn."""
        ready = self._schedule.num_ready
        if not ready:
            return
        computed = len(self._hidden) if self._is_fixed else ready
        slots = self._schedule.slots[:ready]
        # A slot that is only computed for the sake of the shape writes where no row looks before it writes itself.
        positions = [slot.prompt + slot.steps - 1 for slot in slots] + [self._positions - 1] * (computed - ready)
        starts = torch.tensor(positions, device=self._device)
        # What is masked adds zeros: on a CPU the sums are the same to the bit however far attention looks. On a GPU
        # kernels are chosen by the length.
        is_whole = self._is_fixed and self._device.type != "cpu"
        reach = self._positions if is_whole else self._reach(max(positions[:ready]) + 1)
        x = self._network.embed(self._next[:computed])[:, None]
        self._hidden[:computed] = self._network.hiddens(x, self._cache, 0, starts, reach)[:, 0]

    def _move(self, source: int, target: int) -> None:
        slot = self._schedule.slots[target]
        self._cache.move(source, target, slot.positions)
        self._sampler.move(source, target)
        self._codes[target, : slot.steps] = self._codes[source, : slot.steps]
        self._hiddens[target, : slot.steps] = self._hiddens[source, : slot.steps]
        self._next[target], self._hidden[target] = self._next[source], self._hidden[source]

    def _generated(self, number: int) -> Generated:
        slot = self._schedule.slots[number]
        codes, hiddens = self._codes[number, : slot.steps].clone(), self._hiddens[number, : slot.steps].clone()
        return Generated(slot.row.request.key, codes, hiddens, slot.row.is_complete)

    def _reach(self, positions: int) -> int:
        return min(self._positions, -(-positions // POSITIONS_STEP) * POSITIONS_STEP)
