"""Adam with label noise: what do its betas do to the drift, and is there a law for beta1?

Theory (:mod:`flatfast.theory.adaptive`, :mod:`flatfast.theory.betas`) says: at one learning rate
the drift takes as many steps whatever beta1, up to an edge at ``1 - beta1 = c kappa lr^2``; beta2
matters where v forgets faster than the weights swing across the manifold, and m does not average
that away; the drift does not depend on the size of the noise, and goes down ``tr Diag(H)^(1/2)``.

Written down before the runs that are kept; a pilot had shown that the drift's rate on the scalar
product is about as told, and how long runs of the other problems take.

*Edge*: the ``1 - beta1`` below which the median time to the goal is above 1.5 times that of the
plateau. *Plateau*: the cells from five times the edge that was expected, up to ``1 - beta2`` on the
scalar product, where theory has the drift slow above, and up to 1 on the others.

1. Rates on the scalar product: every cell is off the rate told by at most the sum of the swing's
   rate and ``1 - beta2``, which is what the first order leaves out, and four standard errors.
2. Plateau: no median on it is further than 10% from the middle one of its learning rate.
3. Edge: the 95% interval of its exponent in the learning rate holds 2 and not 1.
4. The plateau's time: the interval of its exponent holds -2, or is within 0.15 of it.
5. Times over beta2 on the scalar product: within 20% of those told, where v does not lag behind
   the drift itself (``1 - beta2`` at least ten times ``lr^2``).
6. Minima: where both have come to rest SGD has the lower trace, and Adam the lower
   ``tr Diag(H)^(1/2)``, each by more than two standard errors.
7. Trained from scratch by minibatches: beta1 *matters* if one between 0.8 and 0.99, at its own best
   learning rate, ends with a test loss more than 2% above that of 0.9, by the 95% interval over
   seeds.

Digits came when the others were measured; a pilot of one run at each learning rate had shown how
long runs take. What counts for 2, 3, 4 and 6 is the same for them. Over beta2 there are no times
told for them, only speeds at the start:

8. Times over beta2 on digits, over that at 0.99: within 20% of the speed told at the start at 0.99
   over that told.
"""
