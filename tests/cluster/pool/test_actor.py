"""Replicas as Ray actors: streams with backpressure, cancelled within a step, beside a job that borrows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import ray
from ray.exceptions import ActorDiedError, RayTaskError
from support.waiting import eventually

import speechmill
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.speech import SpeechInput
from speechmill.actors.replica.receipt import ReplicaConfig
from speechmill.cluster.pool.actor import STREAM_OPTIONS
from speechmill.cluster.pool.replica_source import Borrowed, Spawned
from speechmill.cluster.session import ReplicaPlan
from speechmill.errors import ModelError, RowRejected, SpecError

LONG = " ".join(f"This is sentence number {n} of a long text." for n in range(400))


def spawned() -> Any:
    config = ReplicaConfig(ModelConfig("tone", options={"audio_char_s": 0.01}))
    (actor,) = Spawned(ReplicaPlan(1, "cpu", 0.0, 1.0), config, "test").come()
    ray.get(actor.warm.remote())
    return actor


@pytest.fixture(scope="module")
def replica(joined_ray: None) -> Iterator[Any]:
    """One for all tests but the one that kills its own."""
    actor = spawned()
    yield actor
    ray.kill(actor)


def stream(actor: Any, text: str, **how: Any) -> Any:
    return actor.stream.options(**STREAM_OPTIONS).remote(SpeechInput(text, **how))


def test_a_stream_is_what_say_says_in_pieces_of_a_second_with_its_parts_told_once(replica: Any) -> None:
    heard = [ray.get(ref) for ref in stream(replica, LONG[:2_000], seed=7)]
    said = np.concatenate(list(speechmill.say(LONG[:2_000], model="tone", seed=7, options={"audio_char_s": 0.01})))
    assert np.array_equal(np.concatenate([piece.samples for piece in heard]), said)
    assert len(heard) > 5
    assert {"queue", "text", "speech"} == set(heard[0].timings)
    assert not any(piece.timings for piece in heard[1:])


def test_a_reader_who_takes_nothing_holds_the_stream_back_and_nobody_else(replica: Any) -> None:
    slow = stream(replica, LONG)
    ray.get(next(slow))
    assert len([ray.get(ref) for ref in stream(replica, "A short one.")]) == 1
    assert ray.get(replica.num_streams.remote()) == 1
    ray.cancel(slow)
    eventually(lambda: ray.get(replica.num_streams.remote()) == 0)


def test_a_cancelled_stream_ends_for_its_reader_and_in_the_replica(replica: Any) -> None:
    streams = [stream(replica, LONG, seed=seed) for seed in range(20)]
    for one in streams:
        ray.get(next(one))
    for one in streams:
        ray.cancel(one)
    with pytest.raises((RayTaskError, StopIteration)):
        while True:
            ray.get(next(streams[0]))
    eventually(lambda: ray.get(replica.num_streams.remote()) == 0)


def open_text(actor: Any, text_id: str, text: str = "", **how: Any) -> Any:
    """A stream of a text that arrives."""
    ray.get(actor.open.remote(text_id, text))
    return actor.stream.options(**STREAM_OPTIONS).remote(SpeechInput("", **how), text_id)


def test_a_text_that_arrives_is_heard_while_it_does_and_is_what_say_says(replica: Any) -> None:
    text = LONG[:400]
    chunks = open_text(replica, "one", text[:60], seed=7)
    heard = [ray.get(next(chunks))]
    for start in range(60, len(text), 7):
        assert ray.get(replica.feed.remote("one", text[start : start + 7]))
    assert ray.get(replica.feed.remote("one", "", is_last=True))
    heard += [ray.get(ref) for ref in chunks]
    said = np.concatenate(list(speechmill.say([text], model="tone", seed=7, options={"audio_char_s": 0.01})))
    assert np.array_equal(np.concatenate([piece.samples for piece in heard]), said)
    assert not ray.get(replica.feed.remote("one", "more")), "it is closed"


def test_text_that_cannot_be_spoken_is_told_as_it_is(replica: Any) -> None:
    with pytest.raises(RayTaskError) as caught:
        ray.get(next(stream(replica, "")))
    assert isinstance(caught.value.cause, RowRejected)


@pytest.mark.usefixtures("joined_ray")
def test_a_replica_that_dies_in_mid_stream_is_seen() -> None:
    replica = spawned()
    one = stream(replica, LONG)
    ray.get(next(one))
    ray.kill(replica)
    with pytest.raises(ActorDiedError):
        while True:
            ray.get(next(one))


def test_a_job_borrows_a_replica_and_leaves_it_as_it_was(replica: Any, tmp_path: Any) -> None:
    (tmp_path / "c.csv").write_text("text\n" + "\n".join(f"Row number {n} of the corpus." for n in range(300)))
    job = speechmill.Job(
        name="borrowing",
        input={"uri": str(tmp_path / "c.csv")},
        model={"name": "tone", "options": {"audio_char_s": 0.01}},
        output={"uri": str(tmp_path / "out"), "audio": "wav"},
        cluster={"address": "auto", "replicas": "service", "service": "test"},
    )
    result = job.run()
    assert (result.num_ok, result.num_failed, result.num_replicas) == (300, 0, 1)
    assert len([ray.get(ref) for ref in stream(replica, "Still there.")]) == 1


def test_a_job_of_another_model_or_without_a_service_is_told(replica: Any, tmp_path: Any) -> None:
    (tmp_path / "c.csv").write_text("text\nOne.\n")
    told = {"input": {"uri": str(tmp_path / "c.csv")}, "output": {"uri": str(tmp_path / "out")}}
    cluster = {"address": "auto", "replicas": "service", "service": "test"}
    with pytest.raises(ModelError, match="give the job their model"):
        speechmill.Job(**told, model={"name": "tone", "options": {"audio_char_s": 0.02}}, cluster=cluster).run()
    with pytest.raises(SpecError, match='no service "away"'):
        Borrowed("away")
    with pytest.raises(SpecError, match="needs the address"):
        speechmill.Job(**told, cluster={"replicas": "service"})
