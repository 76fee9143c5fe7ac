"""The audio of an answer: encoded as it is made, and written to a client that may be slow or gone."""
