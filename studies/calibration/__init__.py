"""How many steps does a calibrated prefactor cost over the best one swept?

Each case, a problem at a noise level, is calibrated (:mod:`flatfast.calibration`) and then swept
around the answer, at up to three learning rates. Beside the sweeps: two more ways to kappa
(``candidates``), calibrations along a run (``along``), budgets and their spread over seeds
(``budgets``), and momentum that is measured while training goes on (``online``).
"""
