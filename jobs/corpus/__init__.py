"""The corpus: files on disk, in S3, on a hub or behind https, read as a stream of utterances and failures.

What is named here is loaded when it is first used: commands that read no corpus start without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bloom_filter import Hashes
    from .corpus import Corpus
    from .files import InputFile
    from .ids import IdIndex
    from .matching import would_read
    from .options import Column, InputOptions
    from .reader import Position
    from .stream import Block, RowStream

_MODULES = {
    "Block": "stream",
    "Column": "options",
    "Corpus": "corpus",
    "Hashes": "bloom_filter",
    "IdIndex": "ids",
    "InputFile": "files",
    "InputOptions": "options",
    "Position": "reader",
    "RowStream": "stream",
    "would_read": "matching",
}

__all__ = [
    "Block",
    "Column",
    "Corpus",
    "Hashes",
    "IdIndex",
    "InputFile",
    "InputOptions",
    "Position",
    "RowStream",
    "would_read",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
