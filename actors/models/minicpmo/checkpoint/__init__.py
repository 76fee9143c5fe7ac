"""The files of a MiniCPM-o 2.6 checkpoint, as far as they are for speech: layout, checks, loading, random ones."""
