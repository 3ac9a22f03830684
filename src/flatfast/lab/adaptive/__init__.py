"""Sweeps that choose their own points: which momenta, how long, how many seeds.

A dense grid runs every momentum of a wide range with every seed for a long time. Most of that says
nothing about the best momentum. A sweep of this package goes in rounds, and each round is a
function of the runs before it alone (:func:`.choose.next_round`): a broken and an unbroken sweep
choose the same points.

1. A pilot at the greatest learning rate, where runs are shortest: momenta far apart over the whole
   range. It says where to look and for how long, and enters no estimate.
2. Learning rate by learning rate, from the greatest: momenta around the place to which the law
   carries the best one of the learning rate before. Where the best is not between others the row
   is extended, so the guess costs runs when it is wrong, and decides nothing.
3. More seeds, or the momenta between, where the interval of the exponent shrinks most per step,
   until it is as narrow as was wanted or the budget is spent (:mod:`.allocate`).

Runs that can no longer be the best are stopped: all runs at a learning rate end at a fixed multiple
of the best time there (:func:`.plan.patience_of`), one length for all, so that times are censored
alike and a median over seeds stays exact. The length is fixed before the runs that are estimated
from; if it turns out too short for the best of them, the row is run anew and longer.
"""
