"""The corpus: files on disk or in S3, read as a stream of utterances and failures."""

from .bloom_filter import Hashes
from .corpus import Corpus
from .files import InputFile, would_read
from .ids import IdIndex
from .options import Column, InputOptions
from .reader import Position
from .stream import Block, RowStream

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
