"""One text, spoken to a file or a player."""
