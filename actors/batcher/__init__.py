"""Batches that fill the memory and never overrun it: a model is measured, its costs are fitted, batches are packed."""
