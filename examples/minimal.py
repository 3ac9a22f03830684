"""The whole argument in NumPy: why the best momentum obeys ``1 - momentum = C lr^(2/3)``.

The smallest model with a manifold of minimizers: two weights whose product shall be 1. Its loss,
(u v - 1)^2 / 2, is zero on a hyperbola, along which the Hessian's trace u^2 + v^2 changes: it is
least, 2, at u = v, the flattest minimizer. SGD with noise on its label starts far from there, at
u = e, v = 1/e, and is slowly driven to it.

By what? The noise keeps the weights a little off the hyperbola, by the same mean square everywhere,
lr NOISE^2 / (2 mu) with mu = 1 - momentum, which costs more loss where the valley is steep. Descent
of that mean loss is a slide along the hyperbola, to where the valley is widest: the flat end.

Two times, in steps. A swing across the valley dies out in tau_1 = 2 / mu, for momentum remembers
1 / mu steps. The slide takes tau_2 in proportion to (mu / lr)^2: a force of 1 moves the weights by
lr / mu per step, and the force is itself in proportion to lr / mu. Less mu makes the slide faster
and the swings longer, and the two are equal where mu^3 is in proportion to lr^2: mu to lr^(2/3).
The fastest momentum lies near there and scales alike, but with a C of its own, which depends on the
goal; and once swings outlast the slide, it has inertia, and a larger tau_2 than that.

    python minimal.py          # some seconds; needs NumPy alone

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
    above = ~(traces <= GOAL)  # so is NaN, where a run has diverged
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


def meeting(mu: Array, tau_1: Array, tau_2: Array) -> float:
    """The mu at which two times (M,) are equal, between two of them on a line in logarithms."""
    finite = np.isfinite(tau_2)
    return float(np.exp(np.interp(0, np.log(tau_2 / tau_1)[finite], np.log(mu[finite]))))


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
    ends = {0: f"{np.exp(high):,.0f}", height - 1: f"{np.exp(low):,.0f}"}
    lines = [f"{ends.get(i, ''):>7} |" + "".join(row) for i, row in enumerate(canvas)]
    lines += [" " * 8 + "+" + "-" * width, f"{x[0]:<9g}".rjust(18) + f"{x[-1]:g}".rjust(width - 9)]
    return "\n".join(lines)


def main() -> None:
    """Sweep, fit the law, and show it."""
    rows = sweep(np.random.default_rng(0))
    fastest = np.array([best(row["mu"], row["time"]) for row in rows])
    met = np.array([meeting(row["mu"], row["tau_1"], row["tau_2"]) for row in rows])
    (gamma, _), cov = np.polyfit(np.log(LRS), np.log(fastest[:, 0]), 1, cov=True)
    best_c, met_c = (np.exp(np.mean(np.log(mu / LRS ** (2 / 3)))) for mu in (fastest[:, 0], met))

    row, lr = rows[-1], LRS[-1]
    print(f"steps at lr {lr:.1e} over (1 - momentum) / lr^(2/3):")
    print("T until trained, 1 across the manifold (tau_1), 2 along it (tau_2)\n")
    print(plot({"T": row["time"], "1": row["tau_1"], "2": row["tau_2"]}, SCALED))
    print("\n     lr   best momentum   steps   its C   C where tau_1 = tau_2")
    for lr, (mu, time), meets in zip(LRS, fastest, met, strict=True):
        cs = f"{mu / lr ** (2 / 3):7.2f} {meets / lr ** (2 / 3):10.2f}"
        print(f"{lr:.1e} {1 - mu:12.5f} {time:10,.0f} {cs}")
    print(f"\n1 - momentum = {best_c:.2f} lr^(2/3); the two times meet at {met_c:.2f} lr^(2/3)")
    print(f"exponent {gamma:.3f} +- {np.sqrt(cov[0, 0]):.3f} (standard error of the fitted line)")


if __name__ == "__main__":
    main()
