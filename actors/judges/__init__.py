"""The models. Each is one file or folder beside its siblings, plus one line in `registry`."""
