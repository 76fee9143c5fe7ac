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

from .forward import Forward, RowInSlot
from .network import Network, RegionNetwork
from .request import Generated, Request
from .schedule import Schedule, SlotMove
from .state import SlotState

PREFILL_POSITIONS = 2_048
"""Positions of prompts computed before one step: more would delay the running rows."""


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
        keeps_hiddens: `Generated` has the hidden states; they take about a hundred times the memory of the codes
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
        keeps_hiddens: bool = True,
    ) -> None:
        self._network, self._device, self._positions = network, device, positions
        self._region = network.region if isinstance(network, RegionNetwork) else None
        self._state = SlotState(network, slots, positions, device, is_fixed=is_fixed, keeps_hiddens=keeps_hiddens)
        self._schedule: Schedule[RowInSlot] = Schedule(
            slots, PREFILL_POSITIONS, beside_urgent, self._region, is_exact=is_fixed
        )
        self._forward = Forward(network, self._schedule, self._state, positions, device, is_fixed=is_fixed)
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
            self._add(RowInSlot(request, request.prompt, request.is_whole))

    def _add(self, row: RowInSlot) -> None:
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
        if not unwanted:
            return
        for row in [row for row in self._schedule.rows() if row.request.key in unwanted]:
            self._move(self._schedule.forget(row))

    def num_steps(self, key: int) -> int | None:
        """The number of steps of a row so far, with those of rows that it follows; None if it is in no slot."""
        return self.steps_so_far().get(key)

    def steps_so_far(self) -> dict[int, int]:
        """`num_steps` of every row that is in a slot, by key."""
        return {slot.row.request.key: slot.row.num_before + slot.steps for slot in self._schedule.slots}

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
        self.usage.prefilled += self._forward.prefill()
        if self._region is not None:
            self._settle()
            self._forward.advance()
        self._schedule.count_step()
        ended = self._draw()
        done = self._collect(ended)
        if self._region is None:
            self._forward.advance()
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

    def _draw(self) -> list[int]:
        """Draw codes for every ready row, from its last hidden state; the slots of rows that end with them."""
        ready = self._schedule.num_ready
        if not ready:
            return []
        computed = self._forward.num_computed
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
                self._add(RowInSlot(following, following.prompt, following.is_whole, before=generated))
        return done

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
