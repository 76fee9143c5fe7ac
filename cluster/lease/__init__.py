"""The lease of an output: which driver may write."""
