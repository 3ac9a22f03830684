"""Sums of squares of linear forms: models whose sharpness the targets fix.

Outputs ``f_i = s_i |B_i w|^2`` with orthonormal rows in B_i. With squared error over 2P,
``tr G = 4 / P sum_i s_i^2 |B_i w|^2 = 4 / P sum_i s_i f_i``: where the outputs meet the targets it
is the same everywhere. With one B_i it is the sphere ``|w|^2``. With ``free``, outputs of products
``w_a w_b`` of pairs of weights of their own stand beside them, at ``w_b = 0``, whose sharpness the
targets leave free.
"""

import numpy as np


class Squares:
    """The landscape at a point where the outputs meet their targets."""

    batches_per_step = 1
    product_batches = 1
    unseen = ""

    def __init__(self, outputs, forms, weights, *, lowest=1.0, free=0, noise_std=0.3, seed=0):
        made = np.random.default_rng(1)
        blocks = [np.linalg.qr(made.standard_normal((weights, forms)))[0] for _ in range(outputs)]
        w = made.standard_normal(weights) / weights**0.5
        scales = np.geomspace(lowest, 1.0, outputs)
        size = weights + 2 * free
        self.hessians = np.zeros((outputs + free, size, size))
        for number, (scale, block) in enumerate(zip(scales, blocks, strict=True)):
            self.hessians[number, :weights, :weights] = 2 * scale * block @ block.T
        for pair in range(free):
            a, b = weights + pair, weights + free + pair
            self.hessians[outputs + pair, [a, b], [b, a]] = 1.0
        self.w = np.concatenate([w, np.linspace(0.5, 1.0, free), np.zeros(free)])
        self.rows = self.hessians @ self.w
        self.examples = self.batch_size = outputs + free
        self.noise_std, self.rng = noise_std, np.random.default_rng(seed)
        self.length = float(np.linalg.norm(self.w))

    @property
    def curvature(self):
        return self.rows.T @ self.rows / self.examples

    @property
    def slope(self):
        """Of ``tr G``, exactly."""
        return 2 * np.einsum("pij,pj->i", self.hessians, self.rows) / self.examples

    def gradients(self):
        noise = self.noise_std * self.rng.standard_normal((2, self.examples))
        return tuple(-draw @ self.rows / self.examples for draw in noise)

    def misfit(self):
        return 0.0, 1.0

    def probe(self):
        signs = self.rng.choice([-1.0, 1.0], self.examples)
        back = signs @ self.rows
        slope = 2 * np.tensordot(signs, self.hessians, 1) @ back
        return float(back @ back) / self.examples, slope / self.examples

    def product(self, v):
        return self.rows.T @ (self.rows @ v) / self.examples


class Rows(Squares):
    """The same, which can be asked of its outputs one by one."""

    @property
    def outputs(self):
        return self.examples

    def row(self, number):
        row = self.rows[number]
        slope = 2 * self.hessians[number] @ row
        return float(row @ row) / self.examples, slope / self.examples
