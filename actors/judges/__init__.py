"""The judges of clips. Each is one file beside its siblings, plus one line in `registry`."""
