"""The hooks are enough: the example, with a network of its own and nothing of ChatTTS, keeps what the engine says."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.waiting import eventually

import speechmill
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import is_autoregressive
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.utterance import Segment, Utterance
from speechmill.actors.text.splitting import fit_segments
from speechmill.errors import ModelError, RowError

EXAMPLES = str(Path(speechmill.__file__).parent / "examples")
ROOM = 10**9
TEXTS = ("Hello.", "Nine boats left.", "a", "The lamp is lit.", "It rains.")
CONFIG = ModelConfig("own_stepwise:Hum")
Waves = dict[int, NDArray[np.float32]]


@pytest.fixture(scope="module")
def hum() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        import own_stepwise

        yield own_stepwise


def segments(model: Any, count: int = 9) -> list[Segment]:
    rows = [Utterance(row, "", TEXTS[row % 5], seed=row, voice=("low", "high", "")[row % 3]) for row in range(count)]
    return [s for row in rows for s in fit_segments(row, 200, model.info.max_length, model.prepare)]


def spoken(model: Any, what: list[Segment]) -> Waves:
    found: Waves = {}
    for segment, outcome in model.speak_rows(what):
        assert not isinstance(outcome, RowError) and segment.row not in found
        found[segment.row] = outcome
    return found


@pytest.fixture(scope="module")
def alone(hum: Any) -> Waves:
    model = hum.Hum(CONFIG)
    assert model.reserve(ROOM, 1) == 1
    return {segment.row: spoken(model, [segment])[segment.row] for segment in segments(model)}


@pytest.mark.parametrize("slots", [3, 9])
def test_rows_are_what_each_is_alone_in_any_slots_and_order(hum: Any, alone: Waves, slots: int) -> None:
    model = hum.Hum(CONFIG)
    assert model.reserve(ROOM, slots) == slots
    rows = segments(model)
    random.Random(slots).shuffle(rows)
    together = spoken(model, rows)
    assert together.keys() == alone.keys()
    for row, wave in together.items():
        np.testing.assert_allclose(wave, alone[row], rtol=0, atol=1e-6)
    assert len({len(wave) for wave in alone.values()}) > 4, "rows of many lengths"
    used = model.usage()
    assert 0 < used.row_steps <= used.slot_steps


def test_a_stream_is_the_row_in_pieces(hum: Any, alone: Waves) -> None:
    model = hum.Hum(CONFIG)
    model.reserve(ROOM, 2)
    for segment in segments(model, 5):
        pieces = list(model.stream(segment, StreamHandle()))
        np.testing.assert_allclose(np.concatenate(pieces), alone[segment.row], rtol=0, atol=1e-6)
        assert len(pieces) > 1 or len(pieces[0]) < 30 * 160


def test_a_row_that_must_end_and_does_not_says_what_to_do(hum: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(hum.Hum(CONFIG).settings, keeps_incomplete=False, advice="do this")
    monkeypatch.setattr(hum.Hum, "settings", settings)
    model = hum.Hum(CONFIG)
    model.reserve(ROOM, 2)
    reasons = [str(outcome) for _, outcome in model.speak_rows(segments(model)) if isinstance(outcome, RowError)]
    assert reasons and all(reason.endswith(": do this") for reason in reasons)


def test_memory_decides_how_many_slots_there_are(hum: Any) -> None:
    model = hum.Hum(CONFIG)
    assert model.usage().slot_steps == 0
    assert model.reserve(0, None) == 0
    slot = 1_401 * (2 * 32 * 4 + 32 * 4 + 8)
    decoder = 2_048 * 4 * 1_024
    assert model.reserve(decoder + 2 * slot, 3) == 0
    assert model.reserve(decoder + 3 * slot, 3) == 3


@pytest.mark.slow
def test_steps_of_several_numbers_of_rows_are_measured_with_the_memory_of_their_slots(hum: Any) -> None:
    """The code that measures a GPU, here with the time inside of operators on a CPU."""
    model = hum.Hum(CONFIG)
    assert model.reserve(ROOM, 2) == 2
    # One that another process has disturbed is missing; all of them may be.
    points = eventually(model.card_points, "a number of rows whose steps nothing disturbs")
    assert {point.rows for point in points} <= {1, 2}
    assert all(0 < point.device_s <= point.seconds for point in points)
    most = points[-1]
    assert hum.Hum(CONFIG).reserve(most.num_bytes, most.rows) == most.rows, "it is what so many slots take"
    assert hum.Hum(CONFIG).reserve(most.num_bytes - 1, most.rows) == 0
    assert spoken(model, segments(model, 3)).keys() == {0, 1, 2}, "the engine is as it was"


def test_text_is_refined_only_by_models_that_say_so(hum: Any) -> None:
    model = hum.Hum(CONFIG)
    with pytest.raises(ModelError, match="hum refines no text"):
        list(model.refine_rows(segments(model, 1)))
    with pytest.raises(ModelError, match="hum refines no text"):
        model.text([1])


def test_what_speaks_step_by_step_is_seen_by_its_class(hum: Any) -> None:
    assert [is_autoregressive(ModelConfig(name)) for name in ("own_stepwise:Hum", "chattts", "tone", "hibari")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_class_is_there_without_torch() -> None:
    code = "import sys, speechmill.actors.engine.stepwise_model; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
