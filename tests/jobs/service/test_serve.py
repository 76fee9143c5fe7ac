"""`speechmill serve` as people run it: a process of its own, real Ray Serve, OpenAI's own client, and abuse."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openai
import psutil
import pytest
from support.measured import measured
from support.ports import free_ports
from support.ray_machines import clean_environment
from support.waiting import HANG_S, eventually
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import speechmill
from speechmill.jobs.cli.main import app

pytestmark = pytest.mark.integration
SERVE = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()", "serve"]
TOKEN = "a-token-for-tests"
TEXT = "The kettle is on, and the door is open."
LONG = " ".join(f"This is sentence number {n} of a long text, and it has two clauses." for n in range(40))
OPTIONS = {"audio_char_s": 0.02, "batch_s": 0.02, "crash": "CRASH"}
MALFORMED = [b"", b"{", b"[]", b'{"input": 1}', b"\xff", b'{"inptu": "x"}', b'{"input": "x", "speed": NaN}']
BROKEN_OFF = -1
"""For a status: an answer that began, and whose end was left out."""
KILL_EVERY = 80
"""One request in so many kills a replica, or one of all if they are fewer."""
LAST_CHUNK = b"0\r\n\r\n"
"""Of an answer in chunks that is whole."""
MAX_STREAMS = 4
"""Of each of two replicas."""


@dataclass
class Served:
    """A running service."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, body: bytes | dict[str, object], token: str = TOKEN, timeout_s: float = HANG_S) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        try:
            request = urllib.request.Request(f"{self.url}/v1/audio/speech", data, headers)
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except http.client.IncompleteRead as error:
            return BROKEN_OFF, error.partial

    def open(self, text: str) -> socket.socket:
        """A connection that has asked for a stream and read nothing yet."""
        body = json.dumps({"input": text, "response_format": "pcm"}).encode()
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=HANG_S)
        head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return connection

    def live(self, token: str = TOKEN) -> ClientConnection:
        """A WebSocket of speech."""
        url = f"ws://127.0.0.1:{self.port}/v1/audio/speech/stream"
        headers = {"Authorization": f"Bearer {token}"}
        return connect(url, additional_headers=headers, proxy=None, open_timeout=HANG_S, close_timeout=HANG_S)

    def processes(self, *names: str) -> list[psutil.Process]:
        """Ray's actors of these classes."""
        found: list[psutil.Process] = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if child.cmdline() and child.cmdline()[0].startswith(tuple(f"ray::{name}" for name in names)):
                    found.append(child)
        return found

    def replicas(self) -> list[psutil.Process]:
        """The processes that hold the model."""
        return self.processes("ReplicaActor")

    def ray_address(self) -> str:
        """Where its Ray listens."""
        flag = "--gcs-address="
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                for part in child.cmdline():
                    if part.startswith(flag):
                        return part.removeprefix(flag)
        raise AssertionError("it has started no Ray")

    def memory_bytes(self) -> int:
        """What the processes that every request passes through hold."""
        through = self.processes("Proxy", "ServeReplica")
        assert len(through) == 3
        return sum(process.memory_info().rss for process in through)


def serve(folder: Path, *settings: str, port: int | None = None) -> Served:
    port = port or free_ports(1)[0]
    command = [*SERVE, *settings, "--set", f"http.port={port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, text=True, env=os.environ | {"SPEECHMILL_API_TOKEN": TOKEN})
    try:
        eventually(lambda: process.poll() is not None or "Ready:" in (folder / "log").read_text())
        assert process.poll() is None, (folder / "log").read_text()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return Served(process, port)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("serve")
    file = folder / "service.yaml"
    limits = f"limits: {{max_streams: {MAX_STREAMS}, max_waiting: 8, max_chars: 5000, drain_s: 60}}\n"
    model = f"model: {{name: tone, device: cpu, options: {json.dumps(measured(**OPTIONS))}}}\n"
    file.write_text(model + limits + "cluster: {replicas: 2, cpus_per_replica: 0.5}\n")
    served = serve(folder, str(file))
    yield served
    if served.process.poll() is None:
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(HANG_S)


def test_openais_client_hears_what_say_says(served: Served) -> None:
    client = openai.OpenAI(api_key=TOKEN, base_url=f"{served.url}/v1")
    how = {"model": "tone", "voice": "sine", "input": TEXT, "response_format": "pcm", "extra_body": {"seed": 7}}
    with client.audio.speech.with_streaming_response.create(**how) as answer:
        heard = np.frombuffer(b"".join(answer.iter_bytes()), "<i2")
    said = np.concatenate(list(speechmill.say(TEXT, model="tone", seed=7, options=OPTIONS)))
    assert np.array_equal(heard, np.rint(said * 32767).astype(np.int16))
    assert [model.id for model in client.models.list()] == ["tone"]
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(api_key="wrong", base_url=f"{served.url}/v1").audio.speech.create(**how)


def test_the_benchmark_measures_it_while_it_runs(served: Served) -> None:
    """`benchmarks/service.py`, which tests/benchmarks lets start a service of its own."""
    program = Path(speechmill.__file__).parent / "benchmarks" / "service.py"
    where = ["--url", served.url, "--ray", served.ray_address(), "--options", json.dumps(OPTIONS)]
    command = [sys.executable, str(program), "--tiny", *where]
    env = os.environ | {"SPEECHMILL_API_TOKEN": TOKEN}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5_000:]
    found = json.loads(done.stdout.rstrip().splitlines()[-1])
    parts = "ttfa_beside_p50_ms batch_share underruns_1 ttfa_p50_ms ttfa_p99_ms rtf say_ttfa_ms peer_ttfa_ms"
    assert set(found) == {*parts.split(), "ratio_peer_say", "ratio_peer_http", "replicas", "device", "machine"}
    assert 0 < found["ttfa_p50_ms"] <= found["ttfa_p99_ms"]
    assert found["batch_share"] >= 0


@pytest.mark.parametrize("num_requests", [48, pytest.param(1_000, marks=pytest.mark.soak)])
def test_requests_of_all_kinds_leave_nothing_behind(served: Served, num_requests: int) -> None:
    """Cancels, slow readers, malformed bodies, oversize texts, wrong tokens, and replicas killed among them."""
    kill_every = min(KILL_EVERY, num_requests)
    memory: list[int] = []
    statuses: Counter[tuple[str, int]] = Counter()
    kinds: dict[str, Callable[[random.Random], int]] = {
        "short": lambda r: served.post({"input": TEXT, "seed": r.randrange(99), "response_format": "wav"})[0],
        "cancelled": lambda r: _cancelled(served, r),
        "slow": lambda r: _slow(served),
        "malformed": lambda r: served.post(r.choice(MALFORMED))[0],
        "oversize": lambda r: served.post({"input": "word " * 2_000})[0],
        "unspeakable": lambda r: served.post({"input": r.choice(["", "   "])})[0],
        "stranger": lambda r: served.post({"input": TEXT}, token="wrong")[0],
        "killer": lambda r: _killed(served, r),
    }
    weights = [400, 250, 40, 100, 60, 60, 85]

    def ask(number: int) -> None:
        chance = random.Random(number)
        [kind] = chance.choices(list(kinds)[:-1], weights)
        if number % kill_every == kill_every // 2:
            kind = "killer"
        statuses[kind, kinds[kind](chance)] += 1

    with ThreadPoolExecutor(10) as threads:
        each = num_requests // 4
        for start in range(0, num_requests, each):
            list(threads.map(ask, range(start, start + each)))
            memory.append(served.memory_bytes())
    allowed = {
        "short": {200, 429, 503, BROKEN_OFF},
        "cancelled": {0},
        "slow": {200, 429, 503},
        "malformed": {400},
        "oversize": {400},
        "unspeakable": {400},
        "stranger": {401},
        "killer": {0},
    }
    assert sum(statuses.values()) == num_requests
    assert {key for key in statuses if key[1] not in allowed[key[0]]} == set()
    assert statuses["short", 200] > num_requests / 10
    assert statuses["short", BROKEN_OFF] <= MAX_STREAMS * statuses["killer", 0]
    assert statuses["killer", 0] == num_requests // kill_every
    # They take what they need in the first requests; after that, hardly more.
    assert memory[-1] - memory[1] < 40 * 2**20, memory
    # Every place is free again: as many streams as there are places, all at once.
    eventually(lambda: len(served.replicas()) == 2)
    eventually(lambda: all(status == 200 for status in _at_once(served, 2 * MAX_STREAMS)))


def test_text_that_arrives_over_a_websocket_is_spoken_as_python_speaks_it(served: Served) -> None:
    """Through Serve's proxy; then a client without the token comes."""
    # Both replicas, of which a test before may have left one as lost: no request has come to it since.
    eventually(lambda: all(status == 200 for status in _at_once(served, 2 * MAX_STREAMS, TEXT)))
    said = speechmill.say(iter([TEXT]), model="tone", seed=7, options=OPTIONS)
    wanted = np.rint(np.concatenate(list(said)) * 32767).astype("<i2").tobytes()
    config = {"type": "session.config", "stream_audio": True, "seed": 7}
    text = [*({"type": "input.text", "text": char} for char in TEXT), {"type": "input.done"}]
    # A replica that the test before has killed may be named as lost only now: 1013 says to try again.
    assert eventually(lambda: _heard(served, config, *text)) == wanted
    with pytest.raises(InvalidStatus) as refused, served.live("wrong"):
        pass
    assert refused.value.response.status_code == 401


def test_a_stream_that_lost_its_replica_never_ends_as_if_it_were_whole(served: Served) -> None:
    """Over HTTP and over a WebSocket. A word in the text ends the replica, so a stream has begun and not ended."""
    eventually(lambda: all(status == 200 for status in _at_once(served, 2 * MAX_STREAMS, TEXT)))
    with served.live() as socket:
        # Its text has no end, so it is spoken when the other stream loses its replica, whichever of the two that is.
        _send(socket, {"type": "session.config", "stream_audio": True}, {"type": "input.text", "text": LONG})
        assert json.loads(socket.recv(HANG_S))["type"] == "audio.start"
        with served.open(f"{LONG} {OPTIONS['crash']}.") as connection:
            data = b""
            while chunk := connection.recv(65_536):
                data += chunk
        assert data.startswith(b"HTTP/1.1 200")
        assert not data.endswith(LAST_CHUNK)
        with pytest.raises(ConnectionClosed) as closed:
            _send(socket, {"type": "input.text", "text": f" {OPTIONS['crash']}. "}, {"type": "input.done"})
            while True:
                socket.recv(HANG_S)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "replica_lost")
    eventually(lambda: len(served.replicas()) == 2 and served.post({"input": TEXT})[0] == 200)


def _heard(served: Served, *messages: dict[str, Any]) -> bytes:
    """The audio of a whole session; empty if its replica was lost."""
    heard = b""
    with served.live() as socket:
        _send(socket, *messages)
        try:
            while isinstance(message := socket.recv(HANG_S), bytes) or json.loads(message)["type"] != "session.done":
                heard += message if isinstance(message, bytes) else b""
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1013, closed
            return b""
    return heard


def _send(socket: ClientConnection, *messages: dict[str, Any]) -> None:
    for message in messages:
        socket.send(json.dumps(message))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray Serve's own models
def test_what_is_wrong_is_said_before_anything_starts() -> None:
    def told(*settings: str) -> str:
        done = CliRunner().invoke(app, ["serve", *[part for setting in settings for part in ("--set", setting)]])
        assert done.exit_code == 2, done.stderr
        return done.stderr

    assert "no token" in told("http.host=0.0.0.0")
    assert 'did you mean "limits.max_chars"' in told("limits.max_char=3")
    assert "did you mean" in told("model.name=hibary", "model.device=cpu")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "another server has it" in told(f"http.port={taken.getsockname()[1]}")


def test_a_stop_lets_streams_end_and_leaves_no_process(served: Served) -> None:
    """The last test of the service: there is none after it."""

    def begun() -> tuple[Any, bytes] | None:
        """A stream that has begun: a test before may have killed a replica that this one would get."""
        connection = served.open(LONG)
        data = connection.recv(4_096)
        if b" 200 " in data.partition(b"\r\n")[0]:
            return connection, data
        connection.close()
        return None

    stream = eventually(begun)
    assert stream is not None
    connection, data = stream
    family = psutil.Process(served.process.pid).children(recursive=True)
    with connection:
        served.process.send_signal(signal.SIGTERM)
        # An open connection would be waited for until the service closes it, some seconds after its last answer.
        while not data.endswith(LAST_CHUNK) and (chunk := connection.recv(65_536)):
            data += chunk
            time.sleep(0.01)
    assert data.endswith(LAST_CHUNK)
    assert served.process.wait(HANG_S) == 0
    assert psutil.wait_procs(family, timeout=HANG_S)[1] == []


FOREIGN = """
import sys, ray
from ray import serve
ray.init(address=sys.argv[1], log_to_driver=False)
if sys.argv[2] == "leave":
    serve.delete("foreign")
else:
    @serve.deployment(ray_actor_options={"num_cpus": 0})
    class Foreign:
        async def __call__(self, request):
            return "still here"
    serve.start(http_options={"port": int(sys.argv[2])})
    serve.run(Foreign.bind(), name="foreign", route_prefix="/foreign")
"""
"""A program of another user of the cluster."""


def foreign(head: Any, what: int | str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN, head.address, str(what)],
        env=clean_environment() | {"RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def serve_actors(head: Any) -> list[str]:
    """Ray Serve's own actors on a cluster, and those of a service."""
    found: list[str] = []
    for pid in head.family():
        with contextlib.suppress(psutil.Error):
            title = (psutil.Process(pid).cmdline() or [""])[0]
            if title.startswith(("ray::ServeController", "ray::Proxy", "ray::ServeReplica", "ray::ReplicaActor")):
                found.append(title)
    return sorted(found)


def joined(head: Any, folder: Path, port: int) -> Served:
    """A service that joins a cluster."""
    folder.mkdir()
    keys = {"model.name": "tone", "model.device": "cpu", "cluster.address": head.address, "cluster.replicas": 1}
    keys |= {"cluster.cpus_per_replica": 0.5, "model.options": "{audio_char_s: 0.02, batch_s: 0.02}"}
    return serve(folder, *[part for key, value in keys.items() for part in ("--set", f"{key}={value}")], port=port)


@pytest.mark.soak
def test_a_service_takes_serve_away_from_a_cluster_that_has_no_other_use_for_it(tmp_path: Path, ray_head: Any) -> None:
    """They stayed, with the port, after the service had gone. An application of another user keeps them."""
    (port,) = free_ports(1)
    foreign(ray_head, port)
    before = serve_actors(ray_head)
    assert len(before) == 3
    address = f"http://127.0.0.1:{port}/foreign"
    try:
        beside = joined(ray_head, tmp_path / "beside", port)
        assert beside.post({"input": TEXT})[0] == 200
        assert len(serve_actors(ray_head)) == 5
        beside.process.send_signal(signal.SIGTERM)
        assert beside.process.wait(HANG_S) == 0
        eventually(lambda: serve_actors(ray_head) == before, "the end of the service's own actors")
        with urllib.request.urlopen(address, timeout=HANG_S) as answer:
            assert answer.read() == b"still here"
    finally:
        foreign(ray_head, "leave")

    alone = joined(ray_head, tmp_path / "alone", port)
    with alone.open(LONG) as connection:
        data = connection.recv(4_096)
        alone.process.send_signal(signal.SIGTERM)
        while chunk := connection.recv(65_536):
            data += chunk
            time.sleep(0.01)
    assert data.endswith(LAST_CHUNK)
    assert alone.process.wait(HANG_S) == 0
    eventually(lambda: serve_actors(ray_head) == [], "the end of all of Serve's actors")


def _cancelled(served: Served, chance: random.Random) -> int:
    """Ask and leave: at once, before the first audio, or in the middle."""
    with served.open(LONG) as connection:
        if chance.random() < 0.7:
            time.sleep(chance.random() * 0.2)
            if chance.random() < 0.5:
                connection.recv(2_000)
    return 0


def _slow(served: Served) -> int:
    """Read little by little, and then the rest."""
    with served.open(LONG) as connection:
        connection.settimeout(HANG_S)
        data = connection.recv(200)
        for _ in range(5):
            time.sleep(0.05)
            data += connection.recv(500)
        status = int(data.split()[1])
        # Whoever was killed meanwhile, the answer ends, whole or broken off: that it does is what is looked at.
        connection.settimeout(60)
        end = data
        while not end.endswith(LAST_CHUNK) and (chunk := connection.recv(65_536)):
            end = (end + chunk)[-len(LAST_CHUNK) :]
    return status


def _killed(served: Served, chance: random.Random) -> int:
    replicas = served.replicas()
    if replicas:
        chance.choice(replicas).kill()
    return 0


def _at_once(served: Served, count: int, text: str = LONG[:600]) -> list[int]:
    with ThreadPoolExecutor(count) as threads:
        return [status for status, _ in threads.map(lambda _: served.post({"input": text}), range(count))]
