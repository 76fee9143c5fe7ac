"""Key order, whatever order the server lists in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.cluster.storage.base import Entry
from speechmill.cluster.storage.listing import ListingPage, in_key_order

Order = Callable[[str], object]

# Around "/" (0x2f): "!" and "-" come before it, "0" and "b" after it.
names = st.text("!-0b", min_size=1, max_size=2)
keys = st.lists(names, min_size=1, max_size=4).map("/".join)


def by_key(name: str) -> object:
    """S3's order."""
    return name


def by_folder(name: str) -> object:
    """The order of a server that keeps objects in a file tree."""
    return name.rstrip("/").split("/")


class Server:
    """Lists as S3 (by key) or as a file tree does (by folder), in pages of `page_size`, folders counted."""

    def __init__(self, keys: set[str], order: Order, page_size: int) -> None:
        self.keys = sorted(keys, key=order)  # type: ignore[arg-type]
        self.order = order
        self.page_size = page_size
        self.num_requests = 0

    def __call__(self, prefix: str, token: str | None, *, level: bool) -> ListingPage:
        self.num_requests += 1
        found = [key for key in self.keys if key.startswith(prefix)]
        if level:
            cut = {key: len(prefix) + key[len(prefix) :].find("/") + 1 for key in found}
            rolled = {key[: cut[key]] if "/" in key[len(prefix) :] else key for key in found}
            found = sorted(rolled, key=self.order)  # type: ignore[arg-type]
        start = int(token or 0)
        page, rest = found[start : start + self.page_size], found[start + self.page_size :]
        return ListingPage(
            tuple(Entry(key, 1) for key in page if not key.endswith("/")),
            tuple(key for key in page if key.endswith("/")),
            str(start + self.page_size) if rest else None,
        )


def without_conflicts(keys: set[str]) -> set[str]:
    """In a file tree no object is a folder as well."""
    return {key for key in keys if not any(other.startswith(f"{key}/") for other in keys)}


@pytest.mark.parametrize("order", [by_key, by_folder])
@given(st.sets(keys, max_size=30), st.integers(1, 7), st.sampled_from(["", "!", "b", "b/", "0-", "b/-"]))
def test_every_key_once_and_in_order(order: Order, keys: set[str], page_size: int, prefix: str) -> None:
    """Law: the listing is the sorted set of keys with the prefix."""
    server = Server(without_conflicts(keys), order, page_size)
    listed = [entry.key for entry in in_key_order(server, prefix)]
    assert listed == sorted(key for key in server.keys if key.startswith(prefix))


@given(st.sets(keys, max_size=30), st.integers(1, 7))
def test_s3_may_have_an_object_and_a_folder_of_one_name(keys: set[str], page_size: int) -> None:
    """Law: the same for keys that no file tree could hold."""
    assert [entry.key for entry in in_key_order(Server(keys, by_key, page_size), "")] == sorted(keys)


def test_a_small_listing_is_one_request() -> None:
    """However many folders it has."""
    server = Server({f"{number}/x/y" for number in range(50)}, by_folder, 50)
    assert len(list(in_key_order(server, ""))) == 50
    assert server.num_requests == 1


def test_a_long_listing_is_lazy() -> None:
    """The first keys come after two requests, not after all pages."""
    server = Server({f"{number:06}" for number in range(5000)}, by_key, 10)
    listing = in_key_order(server, "")
    assert next(listing).key == "000000"
    assert server.num_requests == 2


def test_a_folder_that_is_listed_below_itself_ends_the_listing_all_the_same() -> None:
    """Story: a key with "//" made a server name the folder itself among its folders, and the listing never ended."""

    def fetch(prefix: str, token: str | None, *, level: bool) -> ListingPage:
        if not level:
            return ListingPage((), (), "more")
        return ListingPage((Entry(f"{prefix}x", 1),), (prefix,)) if prefix else ListingPage((), ("a/",))

    assert [entry.key for entry in in_key_order(fetch, "a/")] == ["a/x"]
