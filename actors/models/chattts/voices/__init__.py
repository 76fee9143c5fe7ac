"""Voices of ChatTTS: named settings, speaker vectors, recordings."""
