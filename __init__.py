"""speechmill turns a text corpus into a speech corpus; the same row always gives the same audio."""
