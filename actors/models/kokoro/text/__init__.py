"""From text to phonemes of Kokoro, by language; each reader is imported when a row first needs it."""
