"""Kokoro: the model and its parts."""
