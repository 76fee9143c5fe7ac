"""How a client addresses and signs, by the options, the profile, and what other services want."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore import UNSIGNED

from speechmill.cluster.storage import S3Options
from speechmill.cluster.storage.s3.client import connect
from speechmill.cluster.storage.s3.deadline import Patience

ENDPOINT = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file of AWS, empty."""
    path = tmp_path / "config"
    path.write_text("", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    return path


def style(options: S3Options) -> str | None:
    config = connect(options, Patience.of(1, 5.0)).meta.config
    return (config.s3 or {}).get("addressing_style")


def test_an_endpoint_is_addressed_by_path_unless_profile_or_options_say_otherwise(profile: Path) -> None:
    assert style(S3Options(ENDPOINT)) == "path"
    assert style(S3Options()) is None
    assert style(S3Options(ENDPOINT, addressing_style="virtual")) == "virtual"
    profile.write_text("[default]\ns3 =\n    addressing_style = virtual\n", encoding="utf-8")
    assert style(S3Options(ENDPOINT)) == "virtual"
    assert style(S3Options(ENDPOINT, addressing_style="path")) == "path"


def test_public_buckets_are_asked_without_a_signature() -> None:
    client = connect(S3Options(ENDPOINT, anonymous=True), Patience.of(1, 5.0))
    assert client.meta.config.signature_version is UNSIGNED
    assert connect(S3Options(ENDPOINT), Patience.of(1, 5.0)).meta.config.signature_version != UNSIGNED
