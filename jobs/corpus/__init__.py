"""The corpus: files on disk, in S3, on a hub or behind https, read as a stream of utterances and failures."""

from .bloom_filter import Hashes
from .corpus import Corpus
from .files import InputFile
from .ids import IdIndex
from .matching import would_read
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
