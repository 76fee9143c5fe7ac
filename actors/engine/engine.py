"""The token loop: rows join at any step and leave at their end. Its parts are schedule, prefill, step, collect.

Guaranteed: every request ends as exactly one `Generated`, and the codes of a row depend on its own prompt, settings and
seed. Logits are computed for all rows together. The number of rows sets the shape of the sums, so logits may differ by
float rounding unless `is_fixed` keeps the shape the same.

If the network has a region (`region.Region`), the prompt of a row may grow while its codes are drawn. A row whose next
step needs more of its prompt waits, and takes no part in steps. So the time at which a prompt arrives changes no code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .network import Network, RegionNetwork
from .request import Generated, Request
from .schedule import PromptChunk, Schedule, Slot, SlotMove
from .state import Parked, SlotState

PREFILL_POSITIONS = 2_048
"""Positions of prompts computed before one step: more would delay the running rows."""

FIXED_POSITIONS = 256
"""With fixed shapes, positions of one prompt computed at once: the cut then depends on no other prompt."""

POSITIONS_STEP = 64
"""The reach of attention grows in steps of so many positions: few shapes, and little work beyond the longest row."""


@dataclass(slots=True)
class _Row:
    """A request and its state."""

    request: Request
    prompt: Tensor
    is_whole: bool
    is_complete: bool = False
    parked: Parked | None = None
    before: Generated | None = None
    """What was drawn for the rows that this one follows."""

    @property
    def num_before(self) -> int:
        return self.before.num_steps if self.before is not None else 0


@dataclass(slots=True)
class Usage:
    """The use of the slots: steps, rows in them, rows computed, and prefilled positions of prompts."""

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

    Args:
        slots: Rows at once
        positions: The most positions of one row, prompt and steps together
        is_fixed: Compute all slots at every step, used or not, so that the shape of a row's sums never changes
        beside_urgent: The most other rows in slots beside urgent ones; None for no limit
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
        self._regional = network if isinstance(network, RegionNetwork) else None
        self._region = self._regional.region if self._regional is not None else None
        self._state = SlotState(network, slots, positions, device, is_fixed=is_fixed)
        self._schedule: Schedule[_Row] = Schedule(
            slots, PREFILL_POSITIONS, beside_urgent, self._region, is_exact=is_fixed
        )
        self.usage = Usage()

    def clear(self) -> None:
        """Forget every row."""
        self._schedule.clear()

    def check(self, request: Request) -> None:
        """Raise ValueError if no slot can hold the request."""
        positions = request.num_positions(self._region)
        if not 0 < positions <= self._positions:
            raise ValueError(f"{positions} positions do not fit into a slot of {self._positions}")

    def add(self, requests: Iterable[Request]) -> None:
        """Add requests.

        Raises:
            ValueError: No slot can hold one of them
        """
        rows = list(requests)
        for request in rows:
            self.check(request)
        for request in rows:
            self._add(_Row(request, request.prompt, request.is_whole))

    def _add(self, row: _Row) -> None:
        request = row.request
        self._schedule.add(
            row,
            len(row.prompt),
            is_urgent=request.is_urgent,
            opening=0 if request.opening is None else len(request.opening),
            is_whole=row.is_whole,
            is_next=row.before is not None,
        )

    def extend(self, key: int, embeddings: Tensor | None = None, *, is_last: bool = False) -> bool:
        """Add to the prompt of a row that grows; it goes on at the next step.

        Args:
            embeddings: Float [length, hidden]; None adds nothing
            is_last: Nothing more comes. The row ends by its own rule

        Returns:
            Whether there is such a row. There is none once it has ended or was cancelled

        Raises:
            ValueError: The row does not grow, or its region has no room for so many embeddings
        """
        row = next((row for row in self._schedule.rows() if row.request.key == key), None)
        if row is None:
            return False
        added = 0 if embeddings is None else len(embeddings)
        if row.is_whole and not added:
            return True
        if row.is_whole or self._region is None:
            raise ValueError(f"the prompt of row {key} is complete")
        if len(row.prompt) + added > self._region.size:
            raise ValueError(
                f"a prompt of {len(row.prompt) + added} positions does not fit into a region of {self._region.size}"
            )
        if embeddings is not None:
            row.prompt = torch.cat((row.prompt, embeddings.to(row.prompt)))
        row.is_whole = is_last
        self._schedule.extend(row, added, is_whole=is_last)
        return True

    def cancel(self, keys: Iterable[int]) -> None:
        """Drop requests; their slots are free at the next step. Unknown keys are ignored."""
        unwanted = frozenset(keys)
        for row in [row for row in self._schedule.rows() if row.request.key in unwanted]:
            self._move(self._schedule.forget(row))

    def num_steps(self, key: int) -> int | None:
        """The number of steps of a row so far, with those of rows that it follows; None if it is in no slot."""
        slots = (slot for slot in self._schedule.slots if slot.row.request.key == key)
        return next((slot.row.num_before + slot.steps for slot in slots), None)

    def so_far(self, key: int, start: int) -> tuple[Tensor, Tensor] | None:
        """Codes and hidden states of a row from step `start` on, as `Generated` has them; None if it is in no slot."""
        for number, slot in enumerate(self._schedule.slots):
            if slot.row.request.key == key:
                before, first = slot.row.before, max(0, start - slot.row.num_before)
                kept = self._state.kept(number, slice(first, slot.steps))
                if before is None or start >= before.num_steps:
                    return kept
                return torch.cat((before.codes[start:], kept[0])), torch.cat((before.hiddens[start:], kept[1]))
        return None

    @property
    def is_idle(self) -> bool:
        """Whether every request has ended."""
        return self._schedule.is_idle

    @property
    def has_work(self) -> bool:
        """Whether a step can do something: not if all rows that are left wait for more of their prompts."""
        return self._schedule.has_work

    @torch.inference_mode()
    def run(self) -> Iterator[Generated]:
        """Step until no row is left that can go on; yields rows as they end. Requests may be added meanwhile."""
        while self.has_work:
            yield from self.step()

    @torch.inference_mode()
    def step(self) -> list[Generated]:
        """Admit rows, prefill, draw once for every ready row, collect ended rows, advance the others.

        With a region, rows are advanced before the draw: only then it is known which have enough of their prompts.
        """
        self._settle()
        self._admit()
        held = self._collect([n for n, slot in enumerate(self._schedule.slots) if slot.is_over and slot.is_whole])
        self._prefill()
        if self._region is not None:
            self._settle()
            self._advance()
        self._schedule.count_step()
        ended = self._draw()
        done = self._collect(ended)
        if self._region is None:
            self._advance()
        return held + done

    def _settle(self) -> None:
        slots = self._schedule.slots
        for one, other in self._schedule.settle():
            positions = max(self._schedule.in_cache(slots[one]), self._schedule.in_cache(slots[other]))
            self._state.swap(one, other, positions, max(slots[one].steps, slots[other].steps))

    def _admit(self) -> None:
        while (number := self._schedule.next_to_park()) is not None:
            slot = self._schedule.slots[number]
            slot.row.parked = self._state.park(number, self._schedule.in_cache(slot), slot.steps)
            self._move(self._schedule.park(number))
        while (admitted := self._schedule.admit()) is not None:
            number, moves = admitted
            self._move(moves)
            row = self._schedule.slots[number].row
            self._state.sampler.put(number, row.request.seed, row.request.sampling)
            if row.parked is not None:
                self._state.go_on(number, row.parked)
                row.parked = None

    def _prefill(self) -> None:
        """Compute the next chunks of prompts: as one padded batch, or with fixed shapes one by one."""
        if self._is_fixed:
            for chunk in self._schedule.whole_chunks(FIXED_POSITIONS):
                self._fill([chunk])
        elif chunks := self._schedule.chunks():
            self._fill(chunks)

    def _fill(self, chunks: Sequence[PromptChunk]) -> None:
        """Compute chunks as a padded batch; their rows are in adjacent slots."""
        first, longest = chunks[0].slot, max(chunk.count for chunk in chunks)
        slots = [self._schedule.slots[chunk.slot] for chunk in chunks]
        x = self._state.hidden.new_zeros(len(chunks), longest, self._network.hidden)
        for row, (chunk, slot) in enumerate(zip(chunks, slots, strict=True)):
            source = slot.row.request.opening if chunk.is_opening else slot.row.prompt
            assert source is not None
            x[row, : chunk.count] = source[chunk.start : chunk.start + chunk.count].to(x)
        behind = 0 if self._region is None else self._region.size
        starts = [chunk.start + behind * chunk.is_opening for chunk in chunks]
        reach = self._reach(max(start + chunk.count for start, chunk in zip(starts, chunks, strict=True)))
        hidden = self._hiddens(x, first, starts, reach, [self._seen(*pair) for pair in zip(chunks, slots, strict=True)])
        if self._region is None:
            counts = torch.tensor([chunk.count for chunk in chunks], device=self._device)
            last = torch.arange(len(chunks), device=self._device)
            self._state.hidden[first : first + len(chunks)] = hidden[last, counts - 1]
        for chunk in chunks:
            self._schedule.filled(chunk)
            self.usage.prefilled += chunk.count

    def _draw(self) -> list[int]:
        """Draw codes for every ready row, from its last hidden state; the slots of rows that end with them."""
        ready = self._schedule.num_ready
        if not ready:
            return []
        computed = self._computed(ready)
        hidden = self._state.hidden[:computed]
        codes = self._state.sampler.draw(self._network.logits(hidden), ready)
        self._state.next[:ready] = codes
        self.usage.steps += 1
        self.usage.row_steps += ready
        self.usage.slot_steps += computed
        slots = self._schedule.slots[:ready]
        at = torch.tensor([slot.steps for slot in slots], device=self._device)
        self._state.keep(at, codes, hidden[:ready])
        ended: list[int] = []
        for number, is_end in enumerate((codes == self._network.end).any(1).tolist()):
            slot = slots[number]
            # The end itself is written behind the row's last step, and left out.
            slot.row.is_complete = is_end
            slot.steps += not is_end
            slot.is_over = is_end or slot.steps == slot.row.request.sampling.max_steps
            if slot.is_over and slot.is_whole:
                ended.append(number)  # others stay until it is known whether a row follows
        return ended

    def _collect(self, ended: Sequence[int]) -> list[Generated]:
        """Take ended rows out of their slots, the last slot first, so that the other slots keep their numbers."""
        done: list[Generated] = []
        for number in reversed(ended):
            row = self._schedule.slots[number].row
            generated = self._generated(number)
            self._move(self._schedule.leave(number))
            following = row.request.follow(generated) if row.request.follow and row.is_complete else None
            if following is None:
                done.append(generated)
            else:
                following = replace(following, key=row.request.key, is_urgent=row.request.is_urgent)
                self.check(following)
                self._add(_Row(following, following.prompt, following.is_whole, before=generated))
        return done

    def _advance(self) -> None:
        """Feed the drawn codes to the network: the hidden states from which the next codes are drawn."""
        ready = self._schedule.num_ready
        if not ready:
            return
        computed = self._computed(ready)
        slots = self._schedule.slots[:ready]
        # A slot that is computed only for the shape writes to positions that no row reads before writing them itself.
        positions = [self._schedule.position(slot) for slot in slots] + [self._positions - 1] * (computed - ready)
        # Masked positions add zeros: on a CPU the sums are the same to the bit for any reach of attention. On a GPU
        # kernels are chosen by the length.
        is_whole = self._is_fixed and self._device.type != "cpu"
        reach = self._positions if is_whole else self._reach(max(positions[:ready]) + 1)
        x = self._network.embed(self._state.next[:computed])[:, None]
        for number, slot in enumerate(slots):
            if self._region is not None and not slot.steps:
                assert slot.row.request.opening is not None
                x[number, 0] = slot.row.request.opening[-1].to(x)
        seen = [self._schedule.seen(slot) for slot in slots]
        self._state.hidden[:computed] = self._hiddens(x, 0, positions, reach, seen)[:, 0]

    def _seen(self, chunk: PromptChunk, slot: Slot[_Row]) -> int:
        """The positions of its prompt that the inputs of a chunk attend to behind the region."""
        if self._region is None or not chunk.is_opening:
            return self._schedule.seen(slot)
        # All inputs of an opening look at what the first one does, as MiniCPM-o has it.
        return self._region.seen(0, slot.prompt)

    def _hiddens(self, x: Tensor, first: int, positions: Sequence[int], reach: int, seen: Sequence[int]) -> Tensor:
        """Hidden states of inputs `x` at positions, of the rows in the slots from `first` on.

        Args:
            seen: The positions of its prompt that each row attends to behind the region
        """
        starts = torch.tensor(positions, device=self._device)
        if self._regional is None:
            return self._network.hiddens(x, self._state.cache, first, starts, reach)
        told = torch.tensor([*seen, *[1] * (len(positions) - len(seen))], device=self._device)
        return self._regional.hiddens(x, self._state.cache, first, starts, reach, told)

    def _move(self, moves: Iterable[SlotMove]) -> None:
        """Move the state of slots as the schedule has moved their rows."""
        for source, target in moves:
            slot = self._schedule.slots[target]
            self._state.move(source, target, self._schedule.in_cache(slot), slot.steps)

    def _generated(self, number: int) -> Generated:
        slot = self._schedule.slots[number]
        codes, hiddens = self._state.kept(number, slice(slot.steps))
        if (before := slot.row.before) is not None:
            codes, hiddens = torch.cat((before.codes, codes)), torch.cat((before.hiddens, hiddens))
        return Generated(slot.row.request.key, codes, hiddens, slot.row.is_complete)

    def _computed(self, ready: int) -> int:
        """The number of slots that a step computes."""
        return self._schedule.num_slots if self._is_fixed else ready

    def _reach(self, positions: int) -> int:
        return min(self._positions, -(-positions // POSITIONS_STEP) * POSITIONS_STEP)
