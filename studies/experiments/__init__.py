"""Does the best momentum obey ``1 - momentum = C lr^(2/3)`` in the paper's experiments?

The recipes of ``flatfast reproduce`` in full, and departures: one thing of a problem changed, or
the same runs held to another goal. Each has a page of its own under ``results``; the result here is
their index. About two hours on two cores.
"""
