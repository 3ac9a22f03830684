"""Do the two times of the theory agree with those measured on SGD, and where do they meet?

tau_1, across the manifold, and tau_2, along it.
"""
