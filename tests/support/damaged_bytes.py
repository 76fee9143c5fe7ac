"""Contents of an object that no program of ours has written: cut off, of another kind, nested, or a pickle."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Touch:
    """A file whose unpickling would be seen."""

    path: str

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def changed(data: bytes, **values: Any) -> bytes:
    return json.dumps(json.loads(data) | values).encode()


UNPICKLED = Path("/tmp/speechmill-was-unpickled")
"""It is there once a pickle that `DAMAGE` holds was loaded."""


def pickled(_: bytes) -> bytes:
    return pickle.dumps(Touch(str(UNPICKLED)))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "gzip": gzip.compress,
    "gzip, cut off": lambda data: gzip.compress(data)[:20],
    "zstd, cut off": lambda _: b"\x28\xb5\x2f\xfd\x04\x58\x99\x01",
    "a pickle": pickled,
    "latin-1": lambda data: data.rstrip().removesuffix(b"}") + b', "x": "caf\xe9"}',
    "bytes": lambda _: bytes(range(256)),
    "null": lambda _: b"null",
    "a list": lambda data: b"[" + data + b"]",
    "a text": lambda _: b'"job"',
    "a number": lambda _: b"1e999",
    "an empty object": lambda _: b"{}",
    "brackets": lambda _: b"[" * 100_000,
    "brackets inside": lambda data: data.rstrip().removesuffix(b"}") + b', "x": ' + b'{"a":' * 100_000,
    "a number without end": lambda _: b'{"num_rows": ' + b"9" * 10_000 + b"}",
}
