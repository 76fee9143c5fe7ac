"""The files of a ChatTTS checkpoint: layout, digests, loading, and random ones for tests."""
