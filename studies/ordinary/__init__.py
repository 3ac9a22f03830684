"""Minibatches, no label noise, from scratch: do two bounds tell the best momentum?

Near a minimum batches of B let a run settle where ``mu = 1 - momentum`` is above
``S = lr tr H / (2 B)``, and the slowest mode that matters, of curvature λ, settles soonest at
``D = 2 sqrt(lr λ)`` (:mod:`flatfast.calibration.window`). Both are measured at one point of a
training, with a few dozen gradients, and laid beside the best mu of sweeps over learning rates and
batches.

A first look at FashionMNIST, where most of those sweeps are, found the best mu near 6 S where S is
the larger and near D / 1.4 where D is, whatever the batch. Hence the question: is the best mu
``a S + b D`` with one a and one b? They are fitted on FashionMNIST. What counts as a yes, written
down before anything else was measured: on every other sweep (digits, matrix sensing, teacher and
student) the ratio of predicted to best mu is within a factor of 1.5 in the median and of 3 in the
worst case, measured a tenth of the way to the goal.
"""
