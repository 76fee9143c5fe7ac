"""The voices of Kokoro: names, tables, blends, and voices by seed."""
