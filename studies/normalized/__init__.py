"""Momentum that averages gradients: is there a plateau with an edge, and does that go as lr²?

Heavy ball's law is ``1 - momentum = C lr^(2/3)``. Where the optimizer averages gradients
(``m <- momentum m + (1 - momentum) g``) the same runs have the learning rate
``lr / (1 - momentum)``, and the law reads ``1 - momentum = C^3 lr^2``. Theory then says more: at
one learning rate the drift takes as many steps whatever the momentum, up to an edge, where the
weights begin to swing. Sweeps of the scalar product and of matrix sensing, run in this convention,
at five learning rates each.

Written down before the runs. *Edge*: the ``1 - momentum`` below which the median time is more than
1.5 times the plateau's. *Plateau*: the cells of the upper factor of ten in ``1 - momentum``, as far
as ``lr (1 - momentum) λ <= 1`` with the largest curvature λ at the start (a quarter of the
stability limit). On both problems:

1. the 95% interval of the edge's exponent in the learning rate holds 2 and not 1;
2. so does that of the exponent that brings whole curves together, in both axes;
3. the plateau's time goes as lr^-2: the interval of its exponent holds -2;
4. no median on the plateau is further than 10% from the middle one of its learning rate.
"""
