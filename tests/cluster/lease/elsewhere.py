"""A driver on another machine."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from speechmill.cluster.lease.file import LeaseFile
from speechmill.cluster.lease.process import Process
from speechmill.cluster.lease.record import LeaseRecord
from speechmill.cluster.storage import Storage


class Elsewhere:
    """A driver on another machine: its lease, written when we say so."""

    def __init__(self, storage: Storage, lease_s: float = 60.0) -> None:
        self.file = LeaseFile(storage)
        process = Process("elsewhere", 7, "another boot", 9)
        self.holder = LeaseRecord(uuid.uuid4().hex, process, "0.1", 0.0, 0.0, lease_s, 0, 0.0)
        self.tag: str | None = None

    def beat(self, **changes: Any) -> None:
        self.holder = replace(self.holder, beat=self.holder.beat + 1, **changes)
        self.tag = self.file.write(self.holder, self.tag)
