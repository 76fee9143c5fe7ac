"""Continuous batching for autoregressive models: rows join at any step and leave at their end."""
