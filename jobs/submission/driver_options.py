"""What a submitted run does with an output that is there, as words of a command: written here, read by the driver.

Guaranteed: the driver reads what was written. Not known here: whether the options fit together; `Update.asked` says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """The options of `Job.run` that are sent along with a job.

    Attributes:
        rows: A file, where the driver runs
    """

    overwrite: bool = False
    repair: bool = False
    update: bool = False
    retry_failed: bool = False
    rows: str | None = None

    @property
    def words(self) -> list[str]:
        """As arguments of the driver."""
        flags = [_option(field.name) for field in fields(self) if getattr(self, field.name) is True]
        return flags if self.rows is None else [*flags, _option("rows"), self.rows]

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Read `words` back."""
        parser = argparse.ArgumentParser(allow_abbrev=False)
        for field in fields(cls):
            if field.default is False:
                parser.add_argument(_option(field.name), action="store_true")
            else:
                parser.add_argument(_option(field.name))
        return cls(**vars(parser.parse_args(words)))


AS_IT_IS = DriverOptions()
"""Begin an output, or continue it."""


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
