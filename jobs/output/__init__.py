"""What lies in an output, written and read."""
