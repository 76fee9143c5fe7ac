"""A job on several raylets while they, its replicas, its driver and its store fail: `benchmarks/chaos.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import speechmill

pytestmark = pytest.mark.integration
CHAOS = Path(speechmill.__file__).parent / "benchmarks" / "chaos.py"
TEN_MINUTES = "--minutes 10"
KEYS = (
    "rows lost duplicated recomputed equal_to_calm verified stale_drivers faults s3_requests wall_s speaking_s "
    "replicas machine load_average"
)


def storm(arguments: str) -> tuple[dict[str, Any], str]:
    """The figures of a run, none if it came to nothing, and what it said."""
    process = subprocess.Popen(
        [sys.executable, str(CHAOS), *arguments.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        output, error = process.communicate()
    finally:
        if process.poll() is None:  # it ends its cluster and its server then
            process.terminate()
            process.communicate()
    last = output.strip().splitlines()[-1:]
    return json.loads(last[0]) if last else {}, error[-5_000:]


@pytest.mark.soak
def test_ten_minutes_of_storm_end_as_calm() -> None:
    check(*storm(TEN_MINUTES))


@pytest.mark.timeout(3_600)  # it starts some thirty processes: a minute or two, and many more on a busy machine
def test_a_job_in_a_storm_ends_as_one_in_calm() -> None:
    """Kill -9 of replicas every ten seconds, of a raylet that is put back, of the driver; one request in 20 fails."""
    check(*storm("--tiny"))


def check(figures: dict[str, Any], said: str) -> None:
    """Nothing is lost, nothing doubled, and every kind of fault came."""
    assert figures, said
    assert set(figures) == set(KEYS.split())
    assert (figures["lost"], figures["duplicated"]) == (0, 0), figures
    assert figures["equal_to_calm"], figures
    assert figures["verified"], figures
    assert figures["recomputed"] >= 0, "what is in the manifests was spoken"
    assert figures["stale_drivers"], "a driver slept while another took over"
    assert set(figures["stale_drivers"]) <= {0, 3}, "the output was complete, or it was told that it lost it"
    for kind in ("replicas", "raylets", "drivers", "pauses", "s3"):
        assert figures["faults"][kind] > 0, figures
