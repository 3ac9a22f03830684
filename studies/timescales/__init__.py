"""Do the two times of the theory agree with those measured on SGD, and where do they meet?

tau_1, across the manifold, and tau_2, along it, against their closed forms, over learning rates and
momenta about the predicted crossing, and at one learning rate up to momenta at which modes are
overdamped:

* tau_1 from the autocorrelation of modes' coordinates where the drift has come to rest;
* tau_2 from the Hessian's trace on the manifold, as its mean over runs relaxes from the start;
* the limit dynamics' tau_2 beside it, which knows of the drift's inertia;
* the crossing of the measured curves at each learning rate, its exponent, and its ratio to the best
  momentum of the committed sweeps.
"""
