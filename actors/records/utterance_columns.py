"""Many utterances as columns: to cut, send and hash them costs a fraction of what as many objects cost.

Guaranteed: it is the same sequence as a tuple of these utterances, and each is equal to one that the constructor makes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter, itemgetter
from typing import Any, overload

from .reference import NamedClip
from .utterance import JsonScalar, Utterance

_FIELDS = tuple(field.name for field in fields(Utterance))
_SETTERS = [vars(Utterance)[name].__set__ for name in _FIELDS]
_new = object.__new__


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceColumns(Sequence[Utterance]):
    """Utterances by their fields, in the order of `Utterance`; all columns have the same length."""

    rows: Sequence[int] = ()
    ids: Sequence[str] = ()
    texts: Sequence[str] = ()
    seeds: Sequence[int] = ()
    voices: Sequence[str] = ()
    speeds: Sequence[float] = ()
    metadata: Sequence[Mapping[str, JsonScalar]] = ()
    languages: Sequence[str] = ()
    references: Sequence[NamedClip | None] = ()

    @classmethod
    def of(cls, utterances: Sequence[Utterance]) -> UtteranceColumns:
        """These utterances as columns; columns are given back as they are."""
        if isinstance(utterances, UtteranceColumns):
            return utterances
        return cls(*(list(map(attrgetter(name), utterances)) for name in _FIELDS))

    @classmethod
    def joined(cls, parts: Sequence[UtteranceColumns]) -> UtteranceColumns:
        """The utterances of some columns, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            *([value for some in columns for value in some] for columns in zip(*map(_columns, parts), strict=True))
        )

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Utterance: ...
    @overload
    def __getitem__(self, at: slice) -> UtteranceColumns: ...
    def __getitem__(self, at: int | slice) -> Utterance | UtteranceColumns:
        chosen: Any = [column[at] for column in _columns(self)]
        return UtteranceColumns(*chosen) if isinstance(at, slice) else Utterance(*chosen)

    def __iter__(self) -> Iterator[Utterance]:
        made = [_new(Utterance) for _ in self.rows]
        for setter, values in zip(_SETTERS, _columns(self), strict=True):
            # Through the slots: the constructor of a frozen class takes several times as long.
            deque(map(setter, made, values), maxlen=0)
        return iter(made)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, UtteranceColumns | tuple | list) else NotImplemented

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def at(self, positions: Sequence[int]) -> UtteranceColumns:
        """The utterances at these positions, in their order."""
        if len(positions) < 2:
            return UtteranceColumns(*([column[at] for at in positions] for column in _columns(self)))
        chosen = itemgetter(*positions)
        return UtteranceColumns(*map(chosen, _columns(self)))


def texts_of(utterances: Sequence[Utterance]) -> Sequence[str]:
    """The text of each utterance; of columns, without making one."""
    return utterances.texts if isinstance(utterances, UtteranceColumns) else [u.text for u in utterances]


def rows_of(utterances: Sequence[Utterance]) -> Sequence[int]:
    """The row of each utterance; of columns, without making one."""
    return utterances.rows if isinstance(utterances, UtteranceColumns) else [u.row for u in utterances]


_columns: Callable[[UtteranceColumns], tuple[Sequence[Any], ...]] = attrgetter(*UtteranceColumns.__slots__)
