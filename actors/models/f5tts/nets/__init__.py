"""The networks of F5-TTS: text and reference to a velocity of mel frames."""
