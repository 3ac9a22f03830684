"""Does the best momentum obey ``1 - momentum = C lr^(2/3)`` in the paper's experiments and others?

The recipes of ``flatfast reproduce`` in full: matrix sensing and teacher-student are the paper's,
the scalar product and the perceptron on digits its experiments' smallest relatives. Beside them
departures: one thing of a problem changed, or the same runs held to another goal. Each has a page
of its own under ``results``; the result here is their index. About two hours on two cores.
"""
