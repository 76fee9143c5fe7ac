"""Prometheus metrics of a run: Ray gauges of the driver, set from the snapshots that the display shows.

Every node of a Ray cluster exports them as `ray_speechmill_job_…`, tagged with the job's name. A run works the same
where Ray exports nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ray.util.metrics import Gauge

from ...cluster.pool.replica_state import ReplicaStatus
from .progress import Snapshot

GAUGES: Mapping[str, str] = {
    "rows_done": "Rows spoken, refined or failed.",
    "rows_committed": "Rows whose manifest is written.",
    "rows_total": "Rows of the corpus, an estimate until it is read.",
    "rows_failed": "Rows that failed.",
    "audio_seconds": "Seconds of audio made.",
    "rtfx": "Seconds of audio per second.",
    "rows_per_second": "Rows done per second of this run.",
    "batch_fill": "Cells of batches that hold a token, as a share.",
    "out_of_memory": "Batches that did not fit and were packed again.",
    "replica_deaths": "Replicas that died and were replaced.",
    "eta_seconds": "Estimated seconds left.",
    "is_stalled": "1 while the run says why it does not get on.",
    "peak_bytes": "The largest memory that batches of any replica held.",
    "bound_bytes": "The most that a replica's batches may hold.",
    "clips_judged": "Clips that judges heard, all attempts together.",
    "rows_passed_again": "Rows that passed at a later attempt.",
    "rows_rejected": "Rows of which no attempt passed.",
    "rows_unheard": "Rows that judges could not judge.",
    "vain_audio_seconds": "Seconds of audio that judges rejected.",
}


class Telemetry:
    """The gauges of one run."""

    def __init__(self, job_name: str) -> None:
        self._tags = {"job": job_name}
        self._gauges = {name: Gauge(f"speechmill_job_{name}", told, ("job",)) for name, told in GAUGES.items()}
        self._rejections = Gauge("speechmill_job_rejections", "Rejected clips, by judge and reason.", ("job", "reason"))
        self._replicas = Gauge("speechmill_job_replicas", "Replicas of the run, by what they do.", ("job", "status"))

    def observe(self, snapshot: Snapshot) -> None:
        """Set all gauges."""
        for name, value in values_of(snapshot).items():
            self._gauges[name].set(value, self._tags)
        for kind, count in snapshot.gate.rejections.items():
            self._rejections.set(count, self._tags | {"reason": kind})
        counts = Counter(state.status for state in snapshot.replicas)
        for status in ReplicaStatus:
            self._replicas.set(counts[status], self._tags | {"status": status.value})


def values_of(snapshot: Snapshot) -> dict[str, float]:
    """The values of the gauges; unknown ones are left out."""
    batches = [state.progress.batches for state in snapshot.replicas]
    values: dict[str, float | None] = {
        "rows_done": snapshot.rows_done,
        "rows_committed": snapshot.rows_committed,
        "rows_total": snapshot.rows_total,
        "rows_failed": snapshot.num_failed,
        "audio_seconds": snapshot.audio_s,
        "rtfx": snapshot.rtfx,
        "rows_per_second": snapshot.rows_per_s,
        "batch_fill": snapshot.batch_fill,
        "out_of_memory": snapshot.num_out_of_memory,
        "replica_deaths": snapshot.num_deaths,
        "eta_seconds": snapshot.eta_s,
        "is_stalled": float(bool(snapshot.notice)),
        "peak_bytes": max((stats.peak_bytes for stats in batches), default=0),
        "bound_bytes": max((stats.bound_bytes for stats in batches), default=0),
    }
    if (gate := snapshot.gate).num_judged:
        values |= {
            "clips_judged": gate.num_judged,
            "rows_passed_again": sum(gate.passed[1:]),
            "rows_rejected": gate.num_rejected,
            "rows_unheard": gate.num_unheard,
            "vain_audio_seconds": gate.vain_s,
        }
    return {name: float(value) for name, value in values.items() if value is not None}
