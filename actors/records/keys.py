"""The keys of everything that lies in an output. Not known here: what is in the objects, in which order they land."""

from __future__ import annotations

ROOT_KEY = "job.json"
"""The job, and which manifests count."""
MANIFEST_PREFIX = "manifest/"
AUDIO_PREFIX = "audio/"
TEXT_PREFIX = "text/"
"""Refined rows, of a job that makes text."""
PLAN_PREFIX = "plan/"
"""What was planned of each window of the corpus."""
DRIVER_KEY = "driver.json"
"""The lease."""
COMPLETE_KEY = "complete.json"
"""The mark of completeness in format 2; later it stands in `job.json`."""
