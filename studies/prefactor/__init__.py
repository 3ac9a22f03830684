"""Which property of a problem sets the law's prefactor, and what does a wrong one cost?

Sweeps over noise, batch and shape against the flow along the manifold.
"""
