"""What many replicas need: a Ray session, shards, a pool, object storage."""
