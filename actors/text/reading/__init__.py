"""Text as it is said: numbers, symbols, abbreviations and addresses in words."""
