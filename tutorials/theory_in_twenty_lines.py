# %% [markdown]
# # The theory in twenty lines
#
# Two weights whose product shall be 1: the loss `(u v - 1)^2 / 2` is zero on a whole curve, and the
# flattest point of it is `u = v`. Noise on the label drives the weights there. How fast depends on
# momentum, in two ways that pull apart.

# %%
import matplotlib.pyplot as plt
import numpy as np


def steps_to_flat(lr, mu, seeds=64, noise=0.5):
    """Median steps of SGD with momentum 1 - mu until the Hessian's trace is within a quarter."""
    draw = np.random.default_rng(0)
    u, v = np.full(seeds, np.e), np.full(seeds, 1 / np.e)
    push_u, push_v = np.zeros(seeds), np.zeros(seeds)
    for step in range(int(30 * lr ** (-2 / 3))):
        error = u * v - 1 - noise * draw.standard_normal(seeds)
        push_u = (1 - mu) * push_u - lr * error * v
        push_v = (1 - mu) * push_v - lr * error * u
        u, v = u + push_u, v + push_v
        if np.median(u**2 + v**2) < 2.5:
            return step
    return np.nan


# %% [markdown]
# A swing across the valley dies out in `2 / mu` steps, `mu = 1 - momentum`: less momentum is
# better. The drift along it takes `(mu / lr)^2` steps: more momentum is better. Both are equal
# where `mu^3` is in proportion to `lr^2`. Measured at three learning rates, over ten momenta each:

# %%
lrs, C = [1e-3, 3e-4, 1e-4], np.geomspace(0.2, 2.4, 10)
times = {lr: np.array([steps_to_flat(lr, c * lr ** (2 / 3)) for c in C]) for lr in lrs}
for lr, time in times.items():
    best = np.nanargmin(time)
    print(f"lr {lr:g}: fastest at C {C[best]:.2f}, scaled time {time[best] * lr ** (2 / 3):.1f}")

# %% [markdown]
# In the law's units the three curves lie on each other: the best C is the same at every learning
# rate, which is the law `1 - momentum = C lr^(2/3)`. [The lab](../docs/method.md) does this with
# intervals.

# %%
figure, axis = plt.subplots()
for lr, time in times.items():
    axis.loglog(C, time * lr ** (2 / 3), "o-", label=f"learning rate {lr:g}")
axis.set(xlabel="(1 - momentum) / lr^(2/3)", ylabel="steps to the flat end, times lr^(2/3)")
axis.legend()
