"""The quality gate: a cascade of judges hears each clip before it is encoded, and rejected rows are spoken again."""
