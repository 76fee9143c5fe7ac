"""F5-TTS: speech in the voice of a recording, by flow matching; see `model`."""
