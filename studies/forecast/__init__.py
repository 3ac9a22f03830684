"""How well does the theory foretell a sweep's best momentum and times before any run?

The forecast of the lab (``flatfast.lab.forecast``) beside the committed experiments at several
learning rates; beside matrix sensing and the scalar product with other noise, batch sizes, targets
and shapes, each swept anew at one learning rate; and, for minibatches at one C, as the learning
rate falls.
"""
