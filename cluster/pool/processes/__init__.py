"""Replicas as plain processes of this machine, for jobs that are too small to start Ray for."""
