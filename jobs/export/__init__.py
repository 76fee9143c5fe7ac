"""An output written again as training toolkits read it."""
