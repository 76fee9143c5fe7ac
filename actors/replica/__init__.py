"""A replica takes shards and streams, and answers with receipts and audio."""
