"""From recorded metrics to the law: statistics that know neither simulators nor stores.

Data flows down this list, and each module works on the output of those before it:

* :mod:`.convergence` (with :mod:`.smoothing`): a run's records to its convergence time ``T_c``;
* :mod:`.times`: the rows of a sweep to a table, learning rate x momentum x seed;
* :mod:`.optimum`: the best momentum at each learning rate, by one of the fits of
  :mod:`.local_fit`, :mod:`.branch_fit` and :mod:`.spline_fit`;
* :mod:`.exponent` (with :mod:`.power_law` and :mod:`.resampling`): the power law, with intervals;
* :mod:`.collapse`: all times on one curve;
* :mod:`.comparison` (with :mod:`.methods` and :mod:`.method_times`): the law beside other rules.
"""
