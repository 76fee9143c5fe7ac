"""A job as a Ray job: what is sent to a cluster, how it runs there, and how it is followed from afar."""
