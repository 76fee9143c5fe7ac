"""No key that passes can name anything outside its store."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.cluster.storage.keys import check_key, check_prefix
from speechmill.errors import StorageDenied

ESCAPES = [
    "../x",
    "../../etc/passwd",
    "a/../../x",
    "a/..",
    "..",
    ".",
    "./x",
    "/etc/passwd",
    "//x",
    "a//x",
    "a/",
    "",
    "x\0",
    "x\0/../y",
    "..\\x",
    "a\\..\\x",
    "C:\\x",
    "caf\udce9",
    ".0123.tmp",
    "a/.b.tmp",
]
ODD = [
    "a b",
    "é/ü.wav",
    "日本/語",
    "100%",
    "a+b",
    "%2e%2e",
    "...",
    "a/...",
    "..a",
    "a..",
    "~",
    "-",
    "x.tmp",
    ".x",
    "😀",
]

parts = st.lists(st.sampled_from(["a", "..", ".", "", "/", "\\", "\0", "b.c", "..c", "é"]), max_size=6)


@pytest.mark.parametrize("key", ESCAPES)
def test_escapes_are_refused_by_name(key: str) -> None:
    """The message shows the key, escaped, so that it can be printed and found."""
    with pytest.raises(StorageDenied) as caught:
        check_key(key)
    assert repr(key) in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize("key", ODD)
def test_odd_keys_pass(key: str) -> None:
    """Odd is not evil."""
    assert check_key(key) == key


@given(parts)
def test_a_key_that_passes_stays_inside(names: list[str]) -> None:
    """Law: below any root, a checked key normalises to itself."""
    key = "/".join(names)
    try:
        check_key(key)
    except StorageDenied:
        return
    assert posixpath.normpath(posixpath.join("/root", key)) == f"/root/{key}"


@given(parts)
def test_a_prefix_that_passes_has_its_folder_inside(names: list[str]) -> None:
    """Law: the folder that a prefix is listed in lies inside the root."""
    prefix = "/".join(names)
    try:
        check_prefix(prefix)
    except StorageDenied:
        return
    folder = prefix.rpartition("/")[0]
    assert posixpath.normpath(posixpath.join("/root", folder)) == f"/root/{folder}".rstrip("/")


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "..", "...", ".", "a/.", "é/"])
def test_a_prefix_may_stop_anywhere(prefix: str) -> None:
    """Half a name is a prefix, also where it is no key."""
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "/a", "../", "a/../", "a//", "a\0", "a\\", "//"])
def test_a_prefix_cannot_leave_the_store(prefix: str) -> None:
    """Listing outside is refused as well."""
    with pytest.raises(StorageDenied):
        check_prefix(prefix)
