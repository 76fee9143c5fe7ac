"""Every program of `benchmarks/` runs, as `--tiny`.

A program that measures its own process is a process here too, as a person starts it; the others run in the process of
the tests, which has imported most of what they need. `service` measures a service that runs already, in
tests/jobs/service/test_serve.py; a service of its own it starts in `make soak`.

What is asserted are keys and laws, no speed: a benchmark that nobody ran has been found broken weeks later.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import FOLDER, Program

pytestmark = pytest.mark.integration

ROOT = FOLDER.parent

ELSEWHERE = {
    "all": "tests/benchmarks/test_all.py",
    "text_chunks": "tests/benchmarks/test_all.py",
    "chaos": "tests/scenarios/test_chaos.py",
    "scale_planning": "benchmarks/scale.py",
    "scale_makespan": "benchmarks/scale.py",
}
"""Programs that are run by another test, or as a part of another program."""

PADDINGS = [
    f"padding_{corpus}{end}{cells}"
    for corpus in ("lognormal", "sentences")
    for end in ("", "_untapered")
    for cells in ("", "_batch_of_2000_cells", "_batch_of_10000_cells")
]
PADDINGS += ["padding_lognormal_as_read", "padding_sentences_as_read"]

KEYS: dict[str, str] = {
    "batching": (
        "ratio_best_fixed ratio_fixed16 oom_per_10k_batches peak_over_prediction device tone adversarial hibari_cpu "
        f"gpu machine cores {' '.join(PADDINGS)}"
    ),
    "chattts": (
        "rtfx audio_s seconds steps_per_s row_steps_per_s useful_slots occupied_slots slots ready_s split "
        "bandwidth_fraction peak_bytes dtype ratio_upstream ratio_upstream_batched useful_slots_upstream device rows "
        "machine"
    ),
    "duplex": (
        "equal_codes useful_slots first_chunk_step upstream_step first_audio_ms rows job_rows seconds device machine"
    ),
    "f5tts": (
        "rtfx ratio_original ratio_original_batched cost_error seconds_error padding padding_in_order guidance_share "
        "device rows steps audio_s rtfx_by_run machine"
    ),
    "kokoro": (
        "rtfx ratio_original batch dtype device peak_over_prediction rows audio_s prosody_share rtfx_by_run "
        "rtfx_original parity machine"
    ),
    "gate": (
        "ratio rtfx rtfx_without cost_s_per_audio_s num_judged num_rejected num_unheard where rows replicas cores "
        "device machine"
    ),
    "driver": "rows replica_rows driver_rows_per_s driver_rss_bytes replica_row_ms device machine",
    "driver_memory": "rows num_ok idle_bytes peak_bytes above_idle_bytes rows_per_s device machine",
    "quality": (
        "caught caught_low false_rejects false_rejects_by_judge cpu_s_per_audio_s cpu_s_per_audio_s_by_judge judges "
        "clean planted sample audio_s machine"
    ),
    "scale": (
        "rows plan_rows_per_s driver_rss_bytes resume_s resume_further_s resume_cpu_s resume_rss_bytes planning device "
        "machine load_average makespan_ratio_2 makespan_ratio_8 makespan_ratio_64 makespan_ratio makespan_ratio_slow "
        "idle_tail ratio_ray_data ratio_ray_data_sorted makespan_rows bound_s"
    ),
    "service": (
        "ttfa_beside_p50_ms batch_share underruns_1 ttfa_p50_ms ttfa_p99_ms rtf say_ttfa_ms peer_ttfa_ms "
        "ratio_peer_say ratio_peer_http replicas device machine"
    ),
    "starts": "rows say_s say_cpu_s plan_s plan_cpu_s machine",
    "streaming": (
        "ttfa_p50_ms ttfa_p99_ms underruns rtf ttfa_beside_p50_ms batch_share seam_error seam_error_default "
        "ratio_upstream_ttfa device machine"
    ),
    "text": "right_ours right_hibari right_wetext right_other sentences_per_s plain_per_s cases machine",
    "throughput": (
        "rtfx ratio_package_loop ratio_ray_data ratio_package_loop_wall ratio_ray_data_wall cpu_s_per_audio_s "
        "driver_cpu_share batch_fill rows cores device machine"
    ),
}


def batching(found: dict[str, Any]) -> None:
    for key in PADDINGS:
        assert 0 <= found[key] < 1, key
    assert found["padding_lognormal"] < found["padding_lognormal_as_read"], "that is what it is for"
    for part in ("tone", "adversarial", "hibari_cpu"):
        assert found[part]["rows_lost"] == 0, part
    assert found["tone"]["rows"] == 40


def chattts(found: dict[str, Any]) -> None:
    assert 0 < found["occupied_slots"] <= found["useful_slots"] <= 1
    assert found["audio_s"] > 0
    assert found["rows"] == 8
    assert found["ratio_upstream"] is None


def duplex(found: dict[str, Any]) -> None:
    assert found["equal_codes"] == 1.0
    assert 0 < found["useful_slots"] <= 1
    assert found["first_chunk_step"] < found["upstream_step"]


def driver(found: dict[str, Any]) -> None:
    assert (found["rows"], found["replica_rows"]) == (1_200, 300)
    assert found["driver_rows_per_s"] > 0
    assert found["replica_row_ms"] > 0


def driver_memory(found: dict[str, Any]) -> None:
    assert found["num_ok"] == found["rows"] == 200
    assert found["above_idle_bytes"] == found["peak_bytes"] - found["idle_bytes"]


def gate(found: dict[str, Any]) -> None:
    assert found["num_judged"] == found["rows"]
    assert found["cost_s_per_audio_s"].keys() <= {"signal", "duration"}
    assert found["ratio"] > 0


def f5tts(found: dict[str, Any]) -> None:
    assert found["cost_error"] == 0
    assert found["rtfx"] == max(found["rtfx_by_run"]["alone"], found["rtfx_by_run"]["batches"]) > 0
    assert 0 <= found["padding"] <= found["padding_in_order"] < 1
    assert found["ratio_original"] is None


def kokoro(found: dict[str, Any]) -> None:
    assert found["rtfx"] == max(found["rtfx_by_run"].values()) > 0
    assert len(found["rtfx_by_run"]) == 4
    assert found["ratio_original"] is None
    assert 0 < found["prosody_share"] <= 1


def quality(found: dict[str, Any]) -> None:
    assert len(found["caught"]) == 18
    assert found["caught"]["silence"] == found["caught"]["pause"] == 1
    assert found["caught_low"]["silence"] < 1
    assert found["false_rejects"] <= 0.1
    assert found["cpu_s_per_audio_s"] > 0


def scale(found: dict[str, Any]) -> None:
    assert [size["rows"] for size in found["planning"]] == [found["rows"]]
    assert found["resume_s"] <= found["resume_further_s"]
    assert found["makespan_ratio_slow"] > 1, "the bound is one"


def service(found: dict[str, Any]) -> None:
    assert 0 < found["ttfa_p50_ms"] <= found["ttfa_p99_ms"]
    assert found["batch_share"] >= 0


def starts(found: dict[str, Any]) -> None:
    assert found["rows"] == 2
    assert found["say_cpu_s"] > 0


def streaming(found: dict[str, Any]) -> None:
    assert 0 < found["ttfa_p50_ms"] <= found["ttfa_p99_ms"]
    assert found["seam_error"] < 1e-5, "so much is decoded ahead that nothing of a seam is left"


def text(found: dict[str, Any]) -> None:
    assert found["right_ours"] >= 0.9
    assert found["right_hibari"] < found["right_ours"]
    assert found["cases"] > 10


def throughput(found: dict[str, Any]) -> None:
    assert found["rtfx"] > 0
    assert 0 < found["batch_fill"] <= 1
    assert found["rows"] == 6


LAWS: dict[str, Callable[[dict[str, Any]], None]] = {
    law.__name__: law
    for law in (
        batching,
        chattts,
        driver,
        driver_memory,
        duplex,
        f5tts,
        gate,
        kokoro,
        quality,
        scale,
        service,
        starts,
        streaming,
        text,
        throughput,
    )
}


ON_RAY = ("scale",)
"""Those that the tests' Ray is given to: to start one of their own costs more than all that they do with it."""

IN_PROCESS = (
    "batching",
    "chattts",
    "duplex",
    "f5tts",
    "gate",
    "kokoro",
    "quality",
    "scale",
    "streaming",
    "text",
    "throughput",
)
"""Those that run here; what they measure in children are processes all the same."""

CASES = [pytest.param(name, marks=[pytest.mark.soak] if name == "service" else []) for name in KEYS]


def run(name: str, *arguments: str) -> str:
    """What a benchmark prints, which has to end well."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5_000:]
    return done.stdout


@pytest.fixture
def run_here(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """The same, in this process."""
    import torch

    num_threads = torch.get_num_threads()

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        monkeypatch.setattr(sys, "path", [*sys.path])
        program(name).main()
        return capsys.readouterr().out

    yield run
    torch.set_num_threads(num_threads)


@pytest.mark.parametrize("name", CASES)
def test_a_tiny_run_ends_with_all_its_figures(
    name: str, run_here: Callable[..., str], request: pytest.FixtureRequest
) -> None:
    on = [request.getfixturevalue("ray_head").address] if name in ON_RAY else []
    told = (run_here if name in IN_PROCESS else run)(name, "--tiny", *on)
    figures = json.loads(told.rstrip().splitlines()[-1])
    assert set(figures) == set(KEYS[name].split())
    LAWS[name](figures)


@pytest.mark.soak
def test_ray_data_speaks_the_rows_of_the_makespan() -> None:
    """Its imports cost as much as all that the tiny run does."""
    told = json.loads(run("scale_makespan", "--tiny", "--parts", "ray-data as read", "ray-data sorted 8"))
    assert all(found["took_s"] > 0 for found in told.values())
    assert len(told) == 2


def test_the_comparison_with_upstream_can_be_asked_for(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does nothing without upstream, which is not installed here; its imports work."""
    monkeypatch.setattr(sys, "argv", ["chattts_parity.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        program("chattts_parity").main()
    assert ended.value.code == 0
    assert "--peer" in capsys.readouterr().out


def test_no_program_is_forgotten() -> None:
    programs = {
        file.stem
        for file in FOLDER.glob("*.py")
        if "ArgumentParser(" in (text := file.read_text(encoding="utf-8")) and '__name__ == "__main__"' in text
    }
    assert programs == {*KEYS, *ELSEWHERE, "chattts_parity"}
    for name, other in ELSEWHERE.items():
        text = (ROOT / other).read_text(encoding="utf-8")
        assert name.removeprefix("scale_") in text, f"{other} does not run {name}"
    assert set(LAWS) == set(KEYS)
