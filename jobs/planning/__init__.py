"""Windows of the corpus, and their plan."""
