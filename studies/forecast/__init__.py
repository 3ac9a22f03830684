"""How well does the theory foretell a sweep's best momentum and times before any run?

The forecast of the lab beside committed sweeps and new ones.
"""
