"""The HTTP service: speech over the network, the first sound as soon as possible."""
