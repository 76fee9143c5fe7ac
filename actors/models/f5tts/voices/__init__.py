"""Recordings as voices: the presets of a job, and what the network is given of a recording."""
