"""A landscape in NumPy of which everything is known.

Outputs ``f_i = a x_i y_i`` of pairs of weights, targets 0, squared error over 2P, label noise. On
``y = 0`` the loss is zero, the outputs' Jacobian is ``a x_i`` in the direction of ``y_i``, and
``tr G = a^2 |x|^2 / P`` is a parabola in x whose least value is 0: with ``h = 2 a^2 / P`` its drift
relaxes at ``kappa = noise_std^2 h / (4 P)`` from every point.
"""

import numpy as np

X = np.linspace(0.5, 2.0, 40)
"""Where tests look at the bowl."""


class Bowl:
    """The landscape at x, and at y off the manifold."""

    batches_per_step = 1
    product_batches = 1
    unseen = ""

    def __init__(self, x, y=0.0, *, scale=1.0, noise_std=0.5, batch_noise=0.0, seed=0):
        self.x = np.asarray(x, float)
        self.y = np.broadcast_to(np.asarray(y, float), self.x.shape).copy()
        self.scale, self.noise_std, self.batch_noise = scale, noise_std, batch_noise
        self.rng = np.random.default_rng(seed)
        self.examples = self.batch_size = len(self.x)
        self.products = 0
        self.unfit = 1e9

    @property
    def kappa(self):
        return self.noise_std**2 * 2 * self.scale**2 / self.examples / (4 * self.examples)

    @property
    def length(self):
        return float(np.hypot(np.linalg.norm(self.x), np.linalg.norm(self.y)))

    def _pull(self, residuals):
        pull = self.scale * residuals / self.examples
        return np.concatenate([pull * self.y, pull * self.x])

    def gradients(self):
        residuals = self.scale * self.x * self.y
        shared = self.batch_noise * self.rng.standard_normal(2 * len(self.x))
        noise = self.noise_std * self.rng.standard_normal((2, len(self.x)))
        return tuple(self._pull(residuals - draw) + shared for draw in noise)

    def misfit(self):
        return float(np.sum((self.scale * self.x * self.y) ** 2)), self.unfit

    def probe(self):
        signs = self.rng.choice([-1.0, 1.0], len(self.x))
        weight = self.scale**2 / self.examples
        # The pairs share no weight: the square of the sum over examples has no cross terms.
        value = weight * float(np.sum(signs**2 * (self.x**2 + self.y**2)))
        return value, 2 * weight * np.concatenate([self.x, self.y])

    def product(self, v):
        self.products += 1
        along, across = np.split(v, 2)
        image = self.scale * (self.y * along + self.x * across)
        return self._pull(image)
