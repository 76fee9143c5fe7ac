"""What the audio of a part is kept in: an object a clip, a webdataset tar, a parquet table. One file each."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import SpecError
from .base import Container, ContainerWriter, Member, Place, ReadAnswer
from .files import Files
from .parquet import Parquet
from .webdataset import WebDataset

__all__ = ["CONTAINERS", "Container", "ContainerWriter", "Member", "Place", "ReadAnswer", "container_of"]

CONTAINERS: Mapping[str, Container] = {container.name: container for container in (Files(), WebDataset(), Parquet())}


def container_of(name: str) -> Container:
    """The container of that name.

    Raises:
        SpecError: For an unknown one
    """
    try:
        return CONTAINERS[name]
    except KeyError:
        raise SpecError(f"output.container: {name!r} is no container; choose one of {', '.join(CONTAINERS)}") from None
