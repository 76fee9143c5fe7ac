"""The objects of an output, written and read."""
