"""Paths as clients join them."""

import pytest

from speechmill.jobs.service.interface.plain_paths import plain_path


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/v1/models", "/v1/models"),
        ("/v1/audio/speech/", "/v1/audio/speech"),
        ("/v1//audio/speech//", "/v1/audio/speech"),
        ("/v1/models/a//b", "/v1/models/a//b"),
        ("/page//x.js", "/page//x.js"),
        ("/v1", "/v1"),
    ],
)
def test_slashes_too_many_change_nothing(path: str, plain: str) -> None:
    assert plain_path(path) == plain_path(plain) == plain
