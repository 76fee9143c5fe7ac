"""Text is split into what a model can speak at once."""
