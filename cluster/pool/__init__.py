"""The pool: replicas that are started, fed, watched and replaced."""
