"""The networks of ChatTTS."""
