"""Profiles: measured on a model, kept, read back, and refused when they are not what they should be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speechmill.actors.batcher import calibration
from speechmill.actors.batcher.batch_shape import BatchShape
from speechmill.actors.batcher.calibration import calibrate, key_of
from speechmill.actors.batcher.probes import Probes
from speechmill.actors.batcher.profile import Profile
from speechmill.actors.batcher.profile_cache import ProfileCache
from speechmill.actors.device.memory import ProcessMemory, is_out_of_memory, memory_of
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.utterance import Prepared, Segment
from speechmill.actors.replica.loaded_model import tuned
from speechmill.actors.replica.receipt import ReplicaConfig
from speechmill.errors import ModelError, RowRejected


def tone(**options: Any) -> Tone:
    return Tone(ModelConfig("tone", options={"audio_char_s": 0.001} | options))


def measured(model: Tone, usable: int = 10**9) -> Profile | None:
    return calibrate(model, model.memory(), lambda _: usable, key_of(ModelConfig("tone"), model.info))


@pytest.fixture(scope="module")
def profile() -> Profile:
    """Of a model that is as cheap as can be, measured once."""
    found = measured(tone())
    assert found is not None
    return found


def test_the_bytes_of_a_model_are_found_hidden_term_and_all() -> None:
    # A batch costs time, so that more rows are faster on the busiest machine and many shapes are tried.
    profile = measured(tone(weights_bytes=5_000, row_bytes=700, cell_bytes=100, square_bytes=3, batch_s=0.01))
    assert profile is not None
    assert profile.resident_bytes == 5_000
    assert profile.peak.coefficients == pytest.approx({"row": 700, "cell": 100, "square": 3})
    assert profile.cells_per_char == pytest.approx(1.0)
    assert profile.samples_per_cell == pytest.approx(8.0, abs=0.5)


class Counting(Tone):
    """Counts how often each batch is spoken."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.counts: Counter[tuple[int, int]] = Counter()

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        self.counts[len(segments), segments[0].length] += 1
        return super().speak(segments)


def test_all_shapes_are_measured_again_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    for passes, time_s in ((3, 1e9), (3, 0.0)):
        monkeypatch.setattr(calibration, "MOST_PASSES", passes)
        monkeypatch.setattr(calibration, "TIME_S", time_s)
        model = Counting(ModelConfig("tone", options={"audio_char_s": 0.001}))
        assert measured(model) is not None
        counts.append(min(model.counts.values()))
    assert counts == [4, 1], "once, and once more in each pass"


def test_noise_in_the_bytes_becomes_the_margin() -> None:
    calm, noisy = measured(tone()), measured(tone(memory_noise=0.1))
    assert calm is not None
    assert noisy is not None
    assert calm.peak.excess < 1e-6 < noisy.peak.excess <= 0.1


def test_measuring_stops_where_memory_ends() -> None:
    model = tone(memory_bytes=300_000, cell_bytes=100, square_bytes=1)
    profile = measured(model, usable=300_000)
    assert profile is not None
    assert not profile.out_of_memory
    assert max(sample.peak_bytes for sample in profile.samples) <= 0.6 * 300_000


def test_a_model_whose_longest_segment_does_not_fit_is_measured_all_the_same() -> None:
    profile = measured(tone(memory_bytes=30_000, cell_bytes=100), usable=30_000)
    assert profile is not None
    assert profile.samples


class Foreign(Tone):
    """Reads no English."""

    def prepare(self, text: str, voice: str) -> Prepared:
        raise RowRejected("only numbers, please")


class Mute(Tone):
    """Finds nothing to speak."""

    def prepare(self, text: str, voice: str) -> Prepared:
        return Prepared.of(())


class Broken(Tone):
    """Fails on everything."""

    def speak(self, segments: Any) -> list[NDArray[np.float32]]:
        raise ZeroDivisionError


@pytest.mark.parametrize("model", [Foreign, Mute, Broken])
def test_a_model_that_cannot_be_measured_keeps_its_own_limit(model: type[Tone]) -> None:
    assert measured(model(ModelConfig("tone"))) is None


def test_a_model_that_says_the_job_is_wrong_is_believed() -> None:
    class Wrong(Tone):
        """Its weights are damaged."""

        def speak(self, segments: Any) -> list[NDArray[np.float32]]:
            raise ModelError("weights.bin is damaged")

    with pytest.raises(ModelError, match="damaged"):
        measured(Wrong(ModelConfig("tone")))


def test_probes_are_nearly_as_long_as_asked_and_never_longer() -> None:
    probes = Probes(tone())
    for length in (25, 100, 400):
        batch = probes.batch(20, length)
        assert len(batch) == 20
        assert all(length - 20 <= segment.length <= length for segment in batch)
        assert len({segment.text for segment in batch}) > 10


def test_a_profile_is_read_back_as_it_was_written() -> None:
    profile = measured(tone(square_bytes=2))
    assert profile is not None
    assert Profile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    "change",
    [
        {"samples": []},
        {"samples": [{"shape": {"rows": 0, "longest": 5}, "seconds": 1.0, "peak_bytes": 1}]},
        {"samples": [{"shape": {"rows": 1, "longest": 5}, "seconds": -1.0, "peak_bytes": 1}]},
        {"samples": [{"shape": {"rows": 1, "longest": 5}, "seconds": "1", "peak_bytes": 1}]},
        {"key": {"model": "tone"}},
        {"key": None},
        {"resident_bytes": None},
        {"extra": 1},
    ],
)
def test_a_profile_that_was_tampered_with_is_refused(profile: Profile, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a"):
        Profile.from_json(json.dumps(json.loads(profile.to_json()) | change))
    with pytest.raises(ValueError, match="Expecting"):
        Profile.from_json("{")


def test_a_profile_is_kept_for_exactly_its_key(profile: Profile, tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path)
    assert cache.get(profile.key) is None
    cache.put(profile)
    assert cache.get(profile.key) == profile
    assert cache.get(replace(profile.key, versions="torch 0.1")) is None
    assert cache.latest("tone", "1", "numpy", "cpu", profile.key.options) == profile
    assert cache.latest("tone", "2", "numpy", "cpu", profile.key.options) is None


def test_a_damaged_profile_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    config = ReplicaConfig(ModelConfig("tone", options={"audio_char_s": 0.001}))
    assert tuned(config).profile is not None
    (file,) = tmp_path.glob("profiles/*.json")
    file.write_text("half of a pro")
    profile = tuned(config).profile
    assert profile is not None
    assert Profile.from_json(file.read_text()) == profile


def test_a_second_replica_measures_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    config = ReplicaConfig(ModelConfig("tone", options={"audio_char_s": 0.001}))
    assert tuned(config).profile == tuned(config).profile


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "a file, no folder"
    blocked.write_text("")
    monkeypatch.setenv("SPEECHMILL_CACHE", str(blocked))
    config = ReplicaConfig(ModelConfig("tone", options={"audio_char_s": 0.001}))
    assert tuned(config).profile is not None


def test_the_memory_of_this_process_is_seen() -> None:
    memory = memory_of("cpu")
    assert isinstance(memory, ProcessMemory)
    memory.watch()
    before = memory.held()
    block = np.ones(120_000_000, np.uint8)  # so large a block is never taken from what was left free
    assert memory.peak() >= before + 80_000_000
    assert block.sum() == 120_000_000
    assert 0 < memory.held() < memory.total()
    assert 0 <= memory.others() < memory.total()


def test_every_way_of_saying_out_of_memory_is_understood() -> None:
    import torch

    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60)
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert BatchShape(3, 7).cells == 21
