"""The corpus: files on disk or in S3, read as a stream of utterances and failures."""

from .corpus import Corpus
from .files import InputFile, would_read
from .ids import IdIndex
from .options import Column, InputOptions

__all__ = ["Column", "Corpus", "IdIndex", "InputFile", "InputOptions", "would_read"]
