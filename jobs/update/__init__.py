"""Rows that have changed: an output compared with its corpus row by row, and the plan of what is left to speak."""
