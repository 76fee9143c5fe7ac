"""Checking an output from its objects alone, and against its corpus where that is at hand."""

from .corpus import corpus_of
from .output import damaged_manifests, verify
from .report import MAX_NAMED, VerifyReport
from .rows import rows_digest

__all__ = ["MAX_NAMED", "VerifyReport", "corpus_of", "damaged_manifests", "rows_digest", "verify"]
