"""What the user asked for: the spec, the corpus, the run, its output."""
