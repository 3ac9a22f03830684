"""The whole argument in NumPy: why the best momentum obeys ``1 - momentum = C lr^(2/3)``.

The smallest model with a manifold of minimizers: two weights whose product shall be 1. Its loss,
(u v - 1)^2 / 2, is zero on a hyperbola, along which the Hessian's trace u^2 + v^2 changes: it is
least, 2, at u = v, the flattest minimizer. SGD with noise on its label starts far from there, at
u = e, v = 1/e, and is slowly driven to it.

    python minimal.py          # some seconds; needs NumPy alone

1. `train`: heavy-ball SGD, many runs at once.
2. `across` and `along`: the two times that momentum sets against each other.
3. `settling`: how long training takes. Swept over momentum at several learning rates, the
   fastest momentum lies where the two times meet, and follows the law: `main` fits it and draws it.

Everything here is in the lab too, for any model, with intervals; this file is for reading.
Source: Cowsik, Can, Glorioso, Flatter, faster (arXiv 2210.16400).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NOISE = 0.5  # standard deviation of the noise on the label, which is 1
START = (np.e, 1 / np.e)  # on the hyperbola, with a trace of 7.5
FLAT = 2.0  # the least trace
GOAL = 1.25 * FLAT  # trained: within a quarter of it

LRS = np.geomspace(3e-6, 1e-4, 4)
SCALED = np.geomspace(0.2, 2.4, 14)  # (1 - momentum) / lr^(2/3)
SEEDS = 48
LENGTH = 40  # of a run, in units of lr^(-2/3) steps
RECORDS = 400


def train(
    lr: float, mu: Array, seeds: int, steps: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Train with momentum ``1 - mu`` and label noise, from START.

    Args:
        lr: Learning rate.
        mu: ``1 - momentum``, (M,).
        seeds: Runs at each.
        steps: Length of the runs.
        rng: Where the noise comes from.

    Returns:
        The steps of the records, (R,), and at each the trace, (R, M, seeds).
    """
    momentum = 1 - mu[:, None]
    u, v = (np.full((len(mu), seeds), weight) for weight in START)
    push_u, push_v = np.zeros_like(u), np.zeros_like(v)
    every = max(1, steps // RECORDS)
    at, traces = [0], [trace(u, v)]
    for step in range(1, steps + 1):
        error = u * v - (1 + NOISE * rng.standard_normal(u.shape))
        push_u, push_v = momentum * push_u + error * v, momentum * push_v + error * u
        u, v = u - lr * push_u, v - lr * push_v
        if step % every == 0:
            at.append(step)
            traces.append(trace(u, v))
    return np.array(at, dtype=np.float64), np.array(traces)


def trace(u: Array, v: Array) -> Array:
    """The Hessian's trace where gradient descent from (u, v) would come to rest.

    Descent keeps u^2 - v^2, so that it ends where u v = 1 with the same difference of squares:
    read there, the trace does not see how far the noise has thrown the weights off the hyperbola.
    """
    return np.sqrt((u**2 - v**2) ** 2 + 4)


def across(lr: float, mu: Array) -> Array:
    """tau_1 (M,), in steps: a displacement off the hyperbola, at START, falls to 1/e in it.

    There the loss is a parabola of the trace's curvature, in which descent with momentum multiplies
    a displacement by z per step, z^2 - (2 - mu - lr curvature) z + 1 - mu = 0.
    """
    curvature = START[0] ** 2 + START[1] ** 2
    half = (2 - mu - lr * curvature) / 2
    swing = np.sqrt((half**2 - (1 - mu)).astype(complex))
    slowest: Array = np.maximum(abs(half + swing), abs(half - swing))
    return -1 / np.log(slowest)


def along(at: Array, traces: Array) -> Array:
    """tau_2 (M,), in steps: the mean trace's excess has come down to 1/e; infinite if never."""
    excess = traces.mean(axis=-1) - FLAT
    there = excess <= excess[0] / np.e
    return np.where(there.any(axis=0), at[there.argmax(axis=0)], np.inf)


def settling(at: Array, traces: Array) -> Array:
    """Steps (M, seeds) after which a run's trace stays at the goal; infinite if it does not.

    Not when it first gets there: with a long memory the weights swing through and come back.
    """
    above = traces > GOAL
    last = len(at) - 1 - above[::-1].argmax(axis=0)
    steps: Array = np.append(at, np.inf)[last + 1]
    return steps


def best(mu: Array, time: Array) -> tuple[float, float]:
    """The mu at which a time (M,) is least, and that time: a parabola in logarithms."""
    near = np.flatnonzero(time < 1.6 * time.min())
    x, y = np.log(mu[near]), np.log(time[near])
    bend, slope, level = np.polyfit(x - x.mean(), y, 2)
    lowest = -slope / (2 * bend)
    return float(np.exp(x.mean() + lowest)), float(np.exp(level + slope * lowest / 2))


def sweep(rng: np.random.Generator) -> list[dict[str, Array]]:
    """Train at all learning rates and momenta; a dictionary of (M,) arrays for each rate."""
    rows = []
    for lr in LRS:
        mu = SCALED * lr ** (2 / 3)
        at, traces = train(lr, mu, SEEDS, int(LENGTH * lr ** (-2 / 3)), rng)
        time = np.median(settling(at, traces), axis=-1)
        rows.append({"mu": mu, "time": time, "tau_1": across(lr, mu), "tau_2": along(at, traces)})
    return rows


def plot(columns: dict[str, Array], x: Array, height: int = 16, width: int = 64) -> str:
    """Curves over x as text, on logarithmic scales, each drawn with its name's first letter."""
    everything = np.concatenate(list(columns.values()))
    low, *_, high = np.sort(np.log(everything[np.isfinite(everything)]))
    canvas = np.full((height, width), " ")
    column = np.rint((width - 1) * (np.log(x / x[0]) / np.log(x[-1] / x[0]))).astype(int)
    for name, y in columns.items():
        finite = np.isfinite(y)
        row = np.rint((height - 1) * (high - np.log(y[finite])) / (high - low)).astype(int)
        canvas[row, column[finite]] = name[0]
    return "\n".join("  |" + "".join(row) for row in canvas) + "\n  +" + "-" * width


def main() -> None:
    """Sweep, fit the law, and show it."""
    rows = sweep(np.random.default_rng(0))
    fastest = np.array([best(row["mu"], row["time"]) for row in rows])
    gamma, log_c = np.polyfit(np.log(LRS), np.log(fastest[:, 0]), 1)
    prefactor = np.exp(np.mean(np.log(fastest[:, 0] / LRS ** (2 / 3))))

    row, lr = rows[-1], LRS[-1]
    print(f"steps at lr {lr:.1e} over (1 - momentum) / lr^(2/3), {SCALED[0]} to {SCALED[-1]}:")
    print("T until trained, 1 across the manifold (tau_1), 2 along it (tau_2)\n")
    print(plot({"T": row["time"], "1": row["tau_1"], "2": row["tau_2"]}, SCALED))
    print("\n     lr   best momentum   steps   the law with that C")
    for lr, (mu, time) in zip(LRS, fastest, strict=True):
        print(f"{lr:.1e} {1 - mu:12.5f} {time:10,.0f} {1 - prefactor * lr ** (2 / 3):12.5f}")
    print(f"\n1 - momentum = {np.exp(log_c):.2f} lr^{gamma:.3f}, or {prefactor:.2f} lr^(2/3)")


if __name__ == "__main__":
    main()
