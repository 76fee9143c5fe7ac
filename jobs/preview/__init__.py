"""Preview: the spoken form of a text or a corpus, without audio."""
