"""The configuration beside the weights: read as written, and refused with the key that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from speechmill.actors.models.kokoro.nets.sizes import FULL, Sizes, config_of, sizes_of


@pytest.mark.parametrize("sizes", [FULL, Sizes(hidden=16, style=8, generator=16, bert=24, bert_heads=2)])
def test_sizes_are_read_as_they_are_written(sizes: Sizes) -> None:
    assert sizes_of(config_of(sizes)) == sizes


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("n_token",), 180, "n_token"),
        (("istftnet", "upsample_rates"), [8, 8], "istftnet.upsample_rates"),
        (("hidden_dim",), "512", "hidden_dim"),
        (("hidden_dim",), 0, "hidden_dim"),
        (("plbert",), 3, "plbert.max_position_embeddings"),
        (("hidden_dim",), 20, "hidden_dim"),
    ],
)
def test_a_configuration_of_another_network_is_refused(keys: tuple[str, ...], value: Any, named: str) -> None:
    config = config_of(FULL)
    inner = config[keys[0]] if len(keys) == 2 else config
    inner[keys[-1]] = value
    with pytest.raises(ValueError, match=named):
        sizes_of(config)


def test_what_is_no_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="n_token"):
        sizes_of([])
