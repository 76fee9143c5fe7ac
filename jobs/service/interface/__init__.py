"""The interface of the service: what a request may hold, the names that it may use, and how both are described."""
