"""How many steps does a calibrated prefactor cost over the best one swept?

The calibration of :mod:`flatfast.calibration` against sweeps around its answer.
"""
