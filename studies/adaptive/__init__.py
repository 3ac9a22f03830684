"""Does a sweep that chooses its own points find what a dense grid finds, at a quarter of its steps?

Adaptive sweeps (:mod:`flatfast.lab.adaptive`), thrice:

1. On synthetic runs whose exponent is known: how often the interval covers it, stopping rule and
   all, and what that costs over a dense grid.
2. On problems of the lab, beside the committed dense sweeps of the same problems.
3. Against other ways to spend the same steps: a coarser grid, and a library's sequential designs.

What would count as success was written down before the runs, in :mod:`.cases`.
"""
