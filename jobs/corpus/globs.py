"""Globs over local files and over the keys of a store, as Python's `glob` has them: no wildcard starts a hidden name.

Guaranteed: an end, and time that grows with the files and the length of the pattern: links that lead round in a circle
are gone round once.
"""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path


def globbed(pattern: Path, root: Path) -> Iterator[Path]:
    """What a local glob matches, as `glob.glob` has it, but that no link leads round in a circle."""
    if not glob.has_magic(str(pattern)):
        return
    if "**" not in pattern.parts:
        yield from map(Path, glob.glob(str(pattern)))  # noqa: PTH207
        return
    parts = pattern.parts[len(root.parts) :]
    for path in _walked(root):
        if matches(path.parts[len(root.parts) :], parts):
            yield path


def _walked(root: Path) -> Iterator[Path]:
    """Every file below a folder. A folder that a link leads to is entered by one link only, and not from inside."""
    entered: set[str] = set()
    todo = deque([root])  # by their depth: the shortest way to a folder counts
    while todo:
        folder = todo.popleft()
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for path in entries:
            if not path.is_dir():
                yield path
            elif not path.is_symlink():
                todo.append(path)
            elif (real := os.path.realpath(path)) not in entered and not Path(os.path.realpath(folder)).is_relative_to(
                real
            ):
                entered.add(real)
                todo.append(path)


def fixed_part(pattern: str) -> tuple[str, str]:
    """The folders before the first wildcard, with their slash, and the rest."""
    folder, slash, _ = pattern[: first_magic(pattern)].rpartition("/")
    return folder + slash, pattern[len(folder + slash) :]


def first_magic(pattern: str) -> int:
    return min((at for at in map(pattern.find, "*?[") if at >= 0), default=len(pattern))


def matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether a key matches a glob, folder by folder, as `glob.glob` has it: no wildcard starts a hidden name."""
    # "**" twice says no more than once, and costs a choice at every folder.
    patterns = [name for name, before in zip(patterns, [None, *patterns], strict=False) if not name == before == "**"]
    return _fits(tuple(parts), tuple(patterns), {})


def _fits(parts: tuple[str, ...], patterns: tuple[str, ...], known: dict[tuple[int, int], bool]) -> bool:
    place = len(parts), len(patterns)
    if place not in known:
        known[place] = _fits_from(parts, patterns, known)
    return known[place]


def _fits_from(parts: tuple[str, ...], patterns: tuple[str, ...], known: dict[tuple[int, int], bool]) -> bool:
    if not patterns or not parts:
        return not patterns and not parts
    is_hidden = parts[0].startswith(".")
    if patterns[0] == "**":
        deeper = not is_hidden and (len(parts) == 1 == len(patterns) or _fits(parts[1:], patterns, known))
        return deeper or _fits(parts, patterns[1:], known)
    fits = fnmatchcase(parts[0], patterns[0]) and (patterns[0].startswith(".") or not is_hidden)
    return fits and _fits(parts[1:], patterns[1:], known)
