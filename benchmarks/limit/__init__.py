"""The mean of SGD against the limit dynamics: cases, simulation, distances and their rate."""
