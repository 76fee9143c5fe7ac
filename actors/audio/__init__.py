"""Encoding of clips, and of streams while they are spoken."""
