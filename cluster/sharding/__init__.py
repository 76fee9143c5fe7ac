"""Shards of equal estimated cost, and the costs that are learned."""
