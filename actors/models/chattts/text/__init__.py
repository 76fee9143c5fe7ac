"""Text for ChatTTS: normalisation and tokens."""
