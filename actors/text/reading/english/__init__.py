"""English as it is said."""
