"""Where the weights of Kokoro come from, and their one form: the published names, weight norm folded."""
