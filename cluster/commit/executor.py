"""What the machines of the protocol ask, carried out over a store.

Guaranteed: a request is carried out as it stands, and answered by what the store said; an error of the store that
leaves open what happened is raised, and the same request may be carried out again. `job.json` holds its own content
and, under `commit`, the root; under `check`, a hash of both.
Not known here: what a manifest names, and who may write; the caller says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import Any, TypeVar, cast

from ...errors import JobError, StorageConflict, StorageMissing
from ..storage import Entry, Storage
from .operations import (
    DONE,
    MISSING,
    REFUSED,
    AwaitAudio,
    Delete,
    Found,
    Get,
    List,
    Named,
    Page,
    Put,
    PutIf,
    ReadNames,
    ReadObjects,
    RootFile,
    StoreAnswer,
    StoreRequest,
    Written,
)
from .protocol import Machine
from .root import Root

PAGE_KEYS = 1000
_COMMIT = "commit"
_CHECK = "check"
_COMPLETE_OF_FORMAT_2 = "complete.json"
AnyMachine = TypeVar("AnyMachine", bound=Machine)


def encode(file: RootFile) -> bytes:
    """The content of `job.json`. `file.body` is a mapping without the keys `commit` and `check`."""
    assert not file.body.keys() & {_COMMIT, _CHECK}
    return sealed({**file.body, _COMMIT: file.root.to_json()})


def sealed(content: dict[str, Any]) -> bytes:
    """An object of JSON with its check: the content of `job.json`."""
    spelt = json.dumps({**content, _CHECK: _check(content)}, indent=2, ensure_ascii=False)
    return spelt.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes its JSON escape


def _check(content: dict[str, Any]) -> str:
    """Of what JSON makes of it, in any order and spelling."""
    spelt = json.dumps(json.loads(json.dumps(content)), sort_keys=True)
    return blake2b(spelt.encode(), digest_size=16).hexdigest()


def decode(data: bytes, source: str, *, is_complete_of_format_2: Callable[[], bool]) -> RootFile:
    """Read it back.

    Raises:
        JobError: The text is anything else; the message names `source`
    """
    try:
        body: Any = json.loads(data)
        if not isinstance(body, dict):
            raise JobError(f"it is a {type(body).__name__}, where a JSON object is expected")
        body = cast("dict[str, Any]", body)
        if _COMMIT in body:
            check = body.pop(_CHECK, None)
            is_intact = check == _check(body)
            return RootFile(Root.from_json(body.pop(_COMMIT)), body, is_intact)
    except (ValueError, RecursionError, JobError) as error:
        raise JobError(
            f"{source} is not a speechmill job: {error}; restore it, or choose another output.uri"
        ) from error
    return RootFile(Root.unstamped(is_complete=is_complete_of_format_2()), body)


class Executor:
    """Of one output.

    Args:
        listed: Lists below a prefix, in any order if its pages are taken one after the other; by default the store
            does.
        names: The keys that a manifest names; raises JobError if it is missing or cannot be read.
        read: Reads what a manifest names; raises JobError if something is missing.
        wait_audio: Returns when these objects are stored.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        listed: Callable[[str], Iterator[Entry]] | None = None,
        names: Callable[[str], Iterable[str]] = lambda key: (),
        read: Callable[[tuple[str, ...]], None] = lambda keys: None,
        wait_audio: Callable[[tuple[str, ...]], None] = lambda keys: None,
    ) -> None:
        self._storage = storage
        self._list = listed or storage.list
        self._names = names
        self._read = read
        self._wait_audio = wait_audio
        self._listed: tuple[str, Iterator[Entry]] | None = None

    def read_root(self) -> Found | None:
        """The root as it is now, None where there is none.

        Raises:
            JobError: For one that cannot be read
        """
        answer = self.perform(Get())
        return answer if isinstance(answer, Found) else None

    def run(self, machine: AnyMachine, seen: Callable[[AnyMachine, StoreAnswer], None] | None = None) -> AnyMachine:
        """Drive a machine to its end. `seen` is told each answer before the machine takes it."""
        while (request := machine.request) is not None:
            answer = self.perform(request)
            if seen is not None:
                seen(machine, answer)
            machine = cast("AnyMachine", machine.step(answer))
        return machine

    def perform(self, request: StoreRequest) -> StoreAnswer:
        """Carry out one request."""
        storage = self._storage
        match request:
            case Put(key, value):
                storage.put(key, encode(value) if isinstance(value, RootFile) else value)
                return Written()
            case PutIf(key, file, base):
                try:
                    return Written(storage.put_if(key, encode(file), base))
                except StorageConflict:
                    return REFUSED
            case List(prefix, after):
                return self._page(prefix, after)
            case Delete(keys):
                storage.delete(keys)
            case AwaitAudio(keys):
                self._wait_audio(keys)
            case Get() | ReadNames() | ReadObjects():
                return self._looked_up(request)
        return DONE

    def _looked_up(self, request: Get | ReadNames | ReadObjects) -> StoreAnswer:
        try:
            match request:
                case Get(key):
                    found = self._storage.get_tagged(key)
                    source, is_complete = self._storage.location(key), self._is_complete_of_format_2
                    return Found(decode(found.data, source, is_complete_of_format_2=is_complete), found.tag)
                case ReadNames(key):
                    return Named(frozenset(self._names(key)))
                case ReadObjects(keys):
                    self._read(keys)
                    return DONE
        except StorageMissing:
            return MISSING
        except JobError:
            if isinstance(request, Get):
                raise
            return MISSING

    def _is_complete_of_format_2(self) -> bool:
        return self._storage.exists(_COMPLETE_OF_FORMAT_2)

    def _page(self, prefix: str, after: str | None) -> Page:
        """The next page of the listing that is under way, or the first one of another."""
        if after is None or self._listed is None or self._listed[0] != prefix:
            entries = self._list(prefix)
            self._listed = prefix, (entry for entry in entries if after is None or entry.key > after)
        page = list(islice(self._listed[1], PAGE_KEYS))
        is_last = len(page) < PAGE_KEYS
        if is_last:
            self._listed = None
        keys = tuple(entry.key for entry in page if entry.size)
        return Page(keys, is_last, tuple(entry.key for entry in page if not entry.size))
