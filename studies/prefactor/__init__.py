"""Which property of a problem sets the law's prefactor, and what does a wrong one cost?

Sweeps over the momentum of problems with other noise, depth, width and size, each at one learning
rate; the flow along each one's manifold, with the local values of h; and what follows from both,
from the committed experiments, and from the sweeps of the studies of forecasts and of calibration:
which h it is, which exponents, and the time that half and double the best C take.
"""
