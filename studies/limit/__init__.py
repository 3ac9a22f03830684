"""How far is the mean of SGD from the limit dynamics, as the learning rate falls?

SGD with label noise and ``1 - momentum = C lr^(2/3)`` against the limit at the same times.
"""
