"""The files of a dataset on the Hugging Face hub, read in ranges at one commit.

Guaranteed: what is read is of the commit that the revision named when the files were found, so that it cannot change
under a run; a file's version is the hash that the hub keeps of its content. Tokens come from the hub's own client
(`HF_TOKEN`, or `hf auth login`), and so does its address (`HF_ENDPOINT`); neither is ever part of the job.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from ...cluster.storage.base import Entry
from ...cluster.storage.ranges import RangeReader
from ...errors import CorpusError, SpeechmillError, StorageDenied, StorageMissing, StorageUnavailable
from .printable import printable

_PLACE = re.compile(
    r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)(?:@(?P<revision>refs/(?:convert|pr)/[^/]+|[^/]+))?/(?P<path>.*[^/]/?)"
)
_ALIASES = {"~parquet": "refs/convert/parquet"}
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class HubPlace:
    """Files of a dataset, as a URI names them.

    Attributes:
        repo: "owner/name".
        revision: A branch, tag or commit; None for the main branch.
        path: A path or glob in it.
    """

    repo: str
    revision: str | None
    path: str

    @classmethod
    def parse(cls, uri: str) -> HubPlace:
        """The place that a URI names.

        Raises:
            CorpusError: The corpus cannot be read; the message names the file and place
        """
        found = _PLACE.fullmatch(uri)
        if not found:
            raise CorpusError(
                f"{uri} names no files of a dataset: write hf://datasets/owner/name/folder/*.parquet, or "
                "hf://datasets/owner/name@revision/…"
            )
        revision = found["revision"]
        return cls(found["repo"], revision and _ALIASES.get(revision, unquote(revision)), found["path"].rstrip("/"))

    def uri_of(self, path: str) -> str:
        """The URI of one of its files."""
        revision = f"@{self.revision}" if self.revision else ""
        return printable(f"hf://datasets/{self.repo}{revision}/{path}")


class HubDataset:
    """A `Source` of the files of a dataset at a commit."""

    def __init__(self, place: HubPlace, commit: str, entries: Mapping[str, Entry], folders: frozenset[str]) -> None:
        self._place = place
        self._commit = commit
        self._entries = entries
        self._folders = folders

    @classmethod
    def at(cls, place: HubPlace, folder: str, *, is_deep: bool) -> HubDataset:
        """List a folder as it is now.

        Args:
            place: The dataset and its revision.
            folder: Path in it; empty for all.
            is_deep: Whether folders in it are listed, too.

        Raises:
            CorpusError: No such dataset or revision, or the client is offline.
            StorageDenied: Access is restricted.
            StorageUnavailable: The hub does not answer.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.errors import EntryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        entries: dict[str, Entry] = {}
        folders: set[str] = set()
        with _translated(place):
            api = HfApi()
            info = api.dataset_info(place.repo, revision=place.revision, timeout=_TIMEOUT_S)
            commit = info.sha or place.revision or "main"
            try:
                for item in api.list_repo_tree(
                    place.repo, folder or None, recursive=is_deep, revision=commit, repo_type="dataset"
                ):
                    if isinstance(item, RepoFile):
                        version = item.lfs.sha256 if item.lfs else item.blob_id
                        entries[item.path] = Entry(item.path, item.size, version)
                    else:
                        folders.add(item.path)
            except EntryNotFoundError:
                pass  # no such folder, hence no file
        return cls(place, commit, dict(sorted(entries.items())), frozenset(folders))

    def has_folder(self, path: str) -> bool:
        """Whether one of the listed folders is this one."""
        return path in self._folders

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """The files that were listed and whose path starts with `prefix`; at a commit they stay as they are."""
        yield from (entry for entry in self._entries.values() if entry.key.startswith(prefix))

    def open(self, key: str) -> BinaryIO:
        """A seekable file that fetches ranges. Raises what `at` does, and StorageMissing, as it is read."""
        fetch = partial(self._fetch, key)
        return cast(BinaryIO, io.BufferedReader(RangeReader(fetch, self._entries[key].size), 64 << 10))

    def _fetch(self, key: str, start: int, length: int) -> bytes:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_backoff

        with _translated(self._place):
            url = hf_hub_url(self._place.repo, key, repo_type="dataset", revision=self._commit)
            headers = {**build_hf_headers(), "Range": f"bytes={start}-{start + length - 1}"}
            answer: Any = http_backoff("GET", url, headers=headers, timeout=_TIMEOUT_S)
            hf_raise_for_status(answer)
            data: bytes = answer.content
            is_part = answer.status_code == 206
        if not is_part:
            data = data[start : start + length]  # a mirror that does not know ranges
        if len(data) != length:
            raise StorageUnavailable(f"{self._place.uri_of(key)}: {len(data):,} of {length:,} bytes came")
        return data


@contextmanager
def _translated(place: HubPlace) -> Generator[None]:
    """What the hub's client raises, as errors of speechmill."""
    from huggingface_hub import errors

    where = f"hf://datasets/{place.repo}"
    try:
        yield
    except SpeechmillError:
        raise
    except errors.GatedRepoError as error:
        raise StorageDenied(
            f"{where}: access is restricted; accept its terms on the hub, and set HF_TOKEN to a token of yours"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CorpusError(
            f"{where}: no such dataset, or it is private; check the name, or set HF_TOKEN to a token that may read it"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CorpusError(f"{where} has no revision {place.revision!r}") from error
    except errors.EntryNotFoundError as error:
        raise StorageMissing(f"{where}: a file is gone: {_line(error)}") from error
    except errors.HFValidationError as error:
        raise CorpusError(f"{where}: {_line(error)}") from error
    except errors.OfflineModeIsEnabled as error:
        raise CorpusError(
            f"{where} cannot be read while HF_HUB_OFFLINE is set: unset it, or name local files"
        ) from error
    except Exception as error:  # the hub, its HTTP client and its transfer library share no base
        code = getattr(getattr(error, "response", None), "status_code", None)
        if code in (401, 403):
            raise StorageDenied(f"{where}: {code}; set HF_TOKEN to a token that may read it") from error
        raise StorageUnavailable(f"{where} cannot be read from the hub: {_line(error)}") from error


def _line(error: Exception) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__, 300)
