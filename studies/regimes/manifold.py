"""What moves on the manifold: runs that start there, with minibatches and with label noise."""

from typing import Any

import numpy as np

from flatfast.lab.problems import load
from flatfast.lab.simulation.simulate import simulate

MOMENTA = (0.8, 0.9, 0.95, 0.97, 0.98, 0.99)


def on_manifold(steps: int) -> dict[str, Any]:
    """From the manifold: how far minibatches alone, and label noise, take the test error.

    A minimum is linearly stable under minibatches while ``lr tr H / (2 B (1 - momentum))`` is below
    about 1.

    Args:
        steps: Length of the runs.
    """
    lr, size = 1e-3, 12
    momentum = np.repeat(MOMENTA, 8)
    rows: list[dict[str, Any]] = [{"momentum": float(one)} for one in MOMENTA]
    for name, settings in (
        ("minibatch", {"noise_std": 0.0, "batch_size": size}),
        ("label_noise", {"noise_std": 0.1}),
    ):
        problem = load("matrix-sensing", settings)
        paths = simulate(problem, lr, momentum, np.arange(len(momentum)), steps=steps, records=8)
        values = paths.values["cooled:test_error"]
        left = (values[:, -1] / values[:, 0]).reshape(len(MOMENTA), -1)
        trace = float(problem.metrics["trace"](problem.start()))
        for row, ratios in zip(rows, left, strict=True):
            kept = ratios[np.isfinite(ratios)]
            row[name] = float(np.median(kept)) if len(kept) else None
            row["instability"] = lr * trace / (2 * size * (1 - row["momentum"]))
    return {"lr": lr, "steps": steps, "batch_size": size, "rows": rows}
