"""The token loop: rows join at any step and leave at their end. Its parts are schedule, prefill, step, collect.

Guaranteed: every request ends as exactly one `Generated`, and the codes of a row depend on its own prompt, settings and
seed. Logits are computed for all rows together. The number of rows sets the shape of the sums, so logits may differ by
float rounding unless `is_fixed` keeps the shape the same.

If the network has a region (`region.Region`), the prompt of a row may grow while its codes are drawn. A row whose next
step needs more of its prompt waits, and takes no part in steps. So the time at which a prompt arrives changes no code.

On a GPU the ends of a step are read after the next one was started, so that the device never waits for the host
(`is_late`). A row that has ended computes one step more, which is thrown away. Nothing else depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .forward import Forward, RowInSlot
from .network import Network, RegionNetwork
from .request import Generated, Request
from .schedule import Schedule, SlotMove
from .state import SlotState
from .step.shape import reads_ends_late
from .step.stepper import Stepper
from .step.usage import Usage

PREFILL_POSITIONS = 2_048
"""Positions of prompts computed before one step: more would delay the running rows."""


class Engine:
    """Speaks requests through a network.

    Args:
        slots: Rows at once
        positions: The most positions of one row, prompt and steps together
        is_fixed: Compute all slots at every step, used or not, so that the shape of a row's sums never changes
        beside_urgent: The most other rows in slots beside urgent ones; None for no limit
        keeps_hiddens: `Generated` has the hidden states; they take about a hundred times the memory of the codes
        looks_at_all: Draws often look at all codes (`step.shape.looks_at_all`): steps in few shapes always do
        is_late: Compute steps in few shapes, on CUDA as graphs, and read the ends of a step once the next one was
            started; None for what suits the device
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
        looks_at_all: bool = False,
        is_late: bool | None = None,
    ) -> None:
        self._positions = positions
        self._is_late = reads_ends_late(device.type) if is_late is None else is_late
        self._region = network.region if isinstance(network, RegionNetwork) else None
        self._state = SlotState(
            network,
            slots,
            positions,
            device,
            is_fixed=is_fixed,
            keeps_hiddens=keeps_hiddens,
            has_openings=self._region is not None,
        )
        self._schedule: Schedule[RowInSlot] = Schedule(
            slots, PREFILL_POSITIONS, beside_urgent, self._region, is_exact=is_fixed
        )
        self._forward = Forward(network, self._schedule, self._state, positions, device, is_fixed=is_fixed)
        self._stepper = Stepper(
            network, self._schedule, self._state, positions, device, is_fixed=is_fixed, looks_at_all=looks_at_all
        )

    @property
    def usage(self) -> Usage:
        """The use of the slots so far."""
        return self._stepper.usage

    @property
    def num_captured(self) -> int:
        """The number of shapes of steps that are replayed as graphs; 0 but on CUDA."""
        return self._stepper.num_captured

    @torch.inference_mode()
    def capture(self) -> None:
        """Compute, and on CUDA capture, a step of each common shape, before there are rows; then count anew."""
        if self._is_late:
            self._stepper.capture()
        self._stepper.usage = Usage()

    def clear(self) -> None:
        """Forget every row."""
        self._schedule.clear()
        self._stepper.take_unread()

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
        for number, slot in enumerate(self._schedule.slots):
            if slot.row is row:
                self._state.prompts[number].fill_(slot.prompt)
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
        return {slot.row.request.key: slot.row.num_before + slot.read for slot in self._schedule.slots}

    def so_far(self, key: int, start: int) -> tuple[Tensor, Tensor] | None:
        """Codes and hidden states of a row from step `start` on, as `Generated` has them; None if it is in no slot."""
        for number, slot in enumerate(self._schedule.slots):
            if slot.row.request.key == key:
                before, first = slot.row.before, max(0, start - slot.row.num_before)
                kept = self._state.kept(number, slice(first, slot.read))
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
        return self._stepper.has_unread or self._schedule.has_work

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
        done = self._make_room()
        self._admit()
        done += self._collect([n for n, slot in enumerate(self._schedule.slots) if slot.is_over and slot.is_whole])
        self._stepper.usage.prefilled += self._forward.prefill()
        if self._region is not None:
            self._settle()
        self._schedule.count_step()
        return done + (self._step_ahead() if self._is_late else self._step_at_once())

    def _step_ahead(self) -> list[Generated]:
        """Start a whole step, then read the ends of the one before it."""
        before = self._stepper.take_unread()
        self._stepper.start()
        return self._collect(self._stepper.read(before))

    def _step_at_once(self) -> list[Generated]:
        """Draw, and read the ends before rows are advanced: a row that has ended computes nothing more."""
        if self._region is not None:
            self._stepper.advance()
        done = self._collect(self._stepper.draw())
        if self._region is None:
            self._stepper.advance()
        return done

    def _settle(self) -> None:
        slots = self._schedule.slots
        for one, other in self._schedule.settle():
            positions = max(self._schedule.in_cache(slots[one]), self._schedule.in_cache(slots[other]))
            self._state.swap(one, other, positions, max(slots[one].steps, slots[other].steps))

    def _make_room(self) -> list[Generated]:
        """Park rows for others; the rows that have ended by then. A row is parked between two steps, its ends read."""
        done: list[Generated] = []
        if self._stepper.has_unread and self._schedule.next_to_park() is not None:
            done = self._collect(self._stepper.read(self._stepper.take_unread()))
            self._settle()
        while (number := self._schedule.next_to_park()) is not None:
            slot = self._schedule.slots[number]
            slot.row.parked = self._state.park(number, self._schedule.in_cache(slot), slot.steps)
            self._move(self._schedule.park(number))
        return done

    def _admit(self) -> None:
        while (admitted := self._schedule.admit()) is not None:
            number, moves = admitted
            self._move(moves)
            slot = self._schedule.slots[number]
            row, request = slot.row, slot.row.request
            start = slot.prompt - 1 if self._region is None else self._region.size + slot.opening - 1
            self._state.put(number, request.seed, request.sampling, start, slot.prompt, request.opening)
            if row.parked is not None:
                self._state.go_on(number, row.parked)
                row.parked = None

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
        codes, hiddens = self._state.kept(number, slice(slot.read))
        if (before := slot.row.before) is not None:
            codes, hiddens = torch.cat((before.codes, codes)), torch.cat((before.hiddens, hiddens))
        return Generated(slot.row.request.key, codes, hiddens, slot.row.is_complete)
