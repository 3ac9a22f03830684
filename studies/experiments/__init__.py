"""Does the best momentum obey ``1 - momentum = C lr^(2/3)`` in the paper's experiments?

The recipes of ``flatfast reproduce``, in full, and their departures.
"""
