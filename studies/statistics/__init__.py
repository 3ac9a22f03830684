"""Do the intervals hold the truth as often as they say?

The estimators of a sweep, on made-up sweeps whose exponent is known.
"""
