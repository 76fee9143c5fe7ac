"""What would be said of a text or a corpus."""
