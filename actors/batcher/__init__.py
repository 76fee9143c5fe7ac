"""Batches that fill the memory and never overrun it: measuring a model, fitting what it costs, packing by that."""
