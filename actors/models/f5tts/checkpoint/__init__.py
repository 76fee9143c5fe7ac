"""Checkpoints of F5-TTS: what is in them, where the published ones are, random ones."""
