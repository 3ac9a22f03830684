"""Do the intervals hold the truth as often as they say?

Synthetic sweeps with a known exponent are analysed as real ones are. Three questions:

1. How far off, and how uncertain, is the optimum by each fit, on curves of different shape?
2. How often does the interval of the exponent cover the truth, by the rule in use (Student's, on
   the variance of the seeds and of the scatter together) and by the usual rules for a bootstrap?
3. The same for the exponent of the best data collapse.
"""
