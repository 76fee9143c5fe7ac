"""Options: upstream's defaults, limits of the checkpoint's configuration, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from speechmill.actors.models.minicpmo.options import SPOKEN, MinicpmoOptions, read_options
from speechmill.errors import ModelError


def test_nothing_means_what_upstream_speaks_with() -> None:
    assert read_options({}) == MinicpmoOptions()
    assert (SPOKEN.temperature, SPOKEN.top_p, SPOKEN.top_k, SPOKEN.penalty) == ((0.1, 0.3, 0.1, 0.3), 0.7, 20, 1.0)


def test_limits_of_the_configuration_hold_where_the_job_names_none() -> None:
    published = {"top_p": 0.9, "top_k": 50, "repetition_penalty": None, "llm_dim": 3584}
    sampling = read_options({"top_k": 5}, published).sampling
    assert (sampling.top_p, sampling.top_k, sampling.penalty) == (0.9, 5, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temprature": 1}, 'did you mean "temperature"'),
        ({"temperature": [0.1, 0.2]}, "has 2 numbers; give one, or 4"),
        ({"top_k": 2.5}, "it has to be a whole number from 1 to 626"),
        ({"end_period": 5}, "no row could end"),
        ({"min_steps": 9, "max_steps": 8}, "above max_steps"),
        ({"windows": {"close_at": 3}}, 'did you mean "close_after"'),
        ({"windows": {"close_after": True}}, "whole number from 10 to 298"),
        ({"streaming": {"first": 0}}, "first is 0"),
        ({"streaming": {"first": "8"}}, "whole number of steps"),
        ({"voices": {"a b": {"seed": 1}}}, "is no name"),
        ({"voices": {"a": {}}}, "neither speaker nor seed"),
        ({"voices": {"a": {"sample": "x.wav", "transcript": "x"}}}, "is not an option of minicpmo"),
        ({"compile": 1}, "true or false"),
        ({"incomplete": "drop"}, "one of fail, keep"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_options(options)
