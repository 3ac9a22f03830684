"""How far the mean of SGD is from the limit dynamics, as the learning rate falls.

The scalar product of width 1 (``u v = 1``, label noise 0.5) from ``u = e, v = 1/e``: the mean of
``u^2 - v^2`` over many runs of SGD with ``1 - momentum = C lr^(2/3)``, against the limit at the
same time ``t = k lr^(2/3)``, up to t = 6: the path with the mode's mean variance, and the mean of
paths with its random amplitude. Writes ``results/limit_study.json``.

    python benchmarks/limit_study.py
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from flatfast.lab.machine import machine, versions
from flatfast.theory import SquaredError, limit_ensemble, limit_path

EPS, START = 0.5, np.array([np.e, 1 / np.e])
TIMES = np.linspace(0, 6, 25)
CS = (0.5, 1.0, 1.5, 3.0)
LRS = (1e-3, 1e-4, 1e-5, 1e-6)
TOLD_AT_START = float(START[0] ** 2 - START[1] ** 2)


def simulated(lr: float, C: float, runs: int) -> NDArray[np.float64]:
    """``u^2 - v^2`` of SGD at :data:`TIMES` but the first, (runs, times)."""
    mu = C * lr ** (2 / 3)
    # Whole steps between readings: the times are off by half a step at most.
    at = np.rint(TIMES / lr ** (2 / 3)).astype(int)

    State = tuple[jax.Array, jax.Array]

    def step(state: State, key: jax.Array) -> tuple[State, None]:
        w, p = state
        error = w[0] * w[1] - 1 - EPS * jax.random.normal(key)
        p = (1 - mu) * p + error * w[::-1]
        return (w - lr * p, p), None

    def run(key: jax.Array) -> jax.Array:
        state: State = (jnp.asarray(START), jnp.zeros(2))
        found = []
        for number, (first, last) in enumerate(pairwise(at)):
            keys = jax.random.split(jax.random.fold_in(key, number), last - first)
            state, _ = jax.lax.scan(step, state, keys)
            found.append(state[0][0] ** 2 - state[0][1] ** 2)
        return jnp.stack(found)

    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), runs)))


def difference(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """``u^2 - v^2`` of points (..., 2)."""
    found: NDArray[np.float64] = points[..., 0] ** 2 - points[..., 1] ** 2
    return found


def gap(found: NDArray[np.float64], told: NDArray[np.float64]) -> dict[str, float]:
    """Largest distance of two ensembles' means over time, in units of the start, and its error."""
    apart = found.mean(axis=0) - told.mean(axis=0)
    error = np.sqrt(found.var(axis=0) / len(found) + told.var(axis=0) / len(told))
    worst = int(np.abs(apart).argmax())
    return {
        "estimate": float(apart[worst] / TOLD_AT_START),
        "standard_error": float(error[worst] / TOLD_AT_START),
        "time": float(TIMES[1:][worst]),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "limit_study.json"
    )
    chosen = parser.parse_args()
    model = SquaredError(lambda p: jnp.vdot(p["u"], p["v"]) - 1, {"u": np.ones(1), "v": np.ones(1)})
    rows = []
    key = jax.random.key(1)
    for C in track(CS, "SGD against its limit"):
        path = limit_path(model, START, C=C, noise_std=EPS, times=TIMES)
        ensemble = limit_ensemble(
            model, START, C=C, noise_std=EPS, times=TIMES, runs=chosen.runs, key=key
        )
        mean_field, random = difference(path.points)[1:], difference(ensemble)[:, 1:]
        for lr in LRS:
            found = simulated(lr, C, chosen.runs)
            rows.append(
                {
                    "C": C,
                    "lr": lr,
                    "spread_of_runs": float(found[:, -1].std() / TOLD_AT_START),
                    "spread_of_limit": float(random[:, -1].std() / TOLD_AT_START),
                    "from_mean_field": gap(found, mean_field[None]),
                    "from_ensemble": gap(found, random),
                }
            )
            print(rows[-1])
    result = {
        "machine": machine(),
        "versions": versions(),
        "runs": chosen.runs,
        "noise_std": EPS,
        "rows": rows,
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
