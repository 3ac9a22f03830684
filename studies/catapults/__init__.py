"""Above the stability limit runs are thrown to flatter minima: is that a method, or luck?

Each problem starts on the manifold of minimizers. Runs at learning rates around the limit, at fixed
momenta and at the law's, with label noise and without: how many are lost, when the goal is reached,
and how good the place is where they land (``throws``). Then throws on purpose, with and without a
safeguard, against the drift below the limit (``guards``).

Written down before the runs: a deliberate throw is recommended only if, on problems by which
nothing was chosen, it lands no worse in test error than the drift does, and the safeguard loses
none of 100 runs.
"""
