"""Scheduling: which shard goes to which replica, and when; without Ray."""
