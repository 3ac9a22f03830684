"""The best momentum of a problem before any run of it, from the theory."""
