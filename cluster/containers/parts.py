"""The parts of one output, as replicas get them: in which store, in which container. Not known here: their content."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from ...actors.records.keys import ROOT_KEY
from ...actors.records.part import PartStore, PartWriter
from ...errors import StorageMissing
from ..storage import Storage
from . import container_of


@dataclass(frozen=True, slots=True)
class Parts(PartStore):
    """Opens parts of one output; pickled, it travels to the replicas."""

    storage: Storage
    container: str
    extension: str
    key_prefixes: int = 0

    def check(self) -> None:
        """Raise StorageMissing if this machine does not see the output: a folder that is not shared."""
        if not self.storage.exists(ROOT_KEY):
            raise StorageMissing(
                f"output.uri {self.storage.uri} is not what the driver sees on node {socket.gethostname()}: "
                "on a cluster, write to s3:// or to a folder that all nodes share"
            )

    def open_part(self, name: str) -> PartWriter:
        """A writer for a part of this unique name."""
        return container_of(self.container).open_part(self.storage, name, self.extension, self.key_prefixes)

    def sweep(self, name: str) -> None:
        """Remove what is stored of a part that no manifest names and no replica writes any more."""
        self.storage.delete(container_of(self.container).keys_of(self.storage, name, self.key_prefixes))
