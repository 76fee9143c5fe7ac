"""A replica: it takes shards and streams, and answers with receipts and audio."""
