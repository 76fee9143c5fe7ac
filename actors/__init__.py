"""What one replica knows: records, text, batches, models, audio."""
