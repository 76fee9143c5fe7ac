"""Chinese as it is said."""
