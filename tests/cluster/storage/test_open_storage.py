"""Which URI opens which store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from speechmill.cluster.storage import S3Options, open_storage
from speechmill.errors import SpecError


@pytest.mark.parametrize(
    ("uri", "opened"),
    [
        ("/data/corpus", "/data/corpus"),
        ("/data/corpus/", "/data/corpus"),
        ("file:///data/corpus", "/data/corpus"),
        ("file:///data/a%20b", "/data/a b"),
        ("FILE:///data/a b", "/data/a b"),
        ("file://localhost/data", "/data"),
        ("~/corpus", "/home/me/corpus"),
        ("file://~/corpus", "/home/me/corpus"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a b/c", "s3://bucket/a b/c"),
        ("S3://bucket/a/", "s3://bucket/a"),
        ("s3://bucket/100%/x?y#z", "s3://bucket/100%/x?y#z"),
    ],
)
def test_the_store_of_a_uri(uri: str, opened: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own uri opens the same store again."""
    monkeypatch.setenv("HOME", "/home/me")
    store = open_storage(uri)
    assert store.uri == opened
    assert open_storage(store.uri).uri == opened


def test_a_relative_path_is_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell reads it."""
    monkeypatch.chdir(tmp_path)
    assert open_storage("out/run1").uri == str(tmp_path / "out/run1")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "  ",
        "gs://bucket/x",
        "http://host/x",
        "file://host/x",
        "file:/x",
        "s3:bucket",
        "s3://",
        "s3:///x",
        "s3://b/../x",
        "s3://b//x",
        "/a\0b",
        "~no-such-user-anywhere/x",
    ],
)
def test_other_uris_are_refused_by_name(uri: str) -> None:
    """Said with the uri, before anything is contacted."""
    with pytest.raises(SpecError) as caught:
        open_storage(uri)
    assert repr(uri) in str(caught.value) or uri.strip("~") in str(caught.value)


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    """A host without http:// is the usual slip."""
    store = open_storage("s3://bucket", S3Options(endpoint_url="minio:9000"))
    with pytest.raises(SpecError, match="minio:9000"):
        store.check(write=False)


def test_a_local_run_does_not_import_boto3() -> None:
    """It takes a while, and a laptop has no use for it."""
    code = "import sys, speechmill.cluster.storage as it; it.open_storage('x'); print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
