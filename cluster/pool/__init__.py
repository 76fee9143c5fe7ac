"""The pool: starts, feeds, watches and replaces replicas."""
