"""How drivers commit to one output: names with a fencing token, the root that says what counts, and the protocol."""
