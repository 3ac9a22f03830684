"""Problems made of a model and a data set: what is refused, and what stays as it is."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.goal import Goal
from flatfast.lab.simulation.simulate import simulate
from flatfast.lab.training.supervised import supervised


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0, 1, -100, 2], r"classes in \[0, 3\), got -100"),
        ([0, 1, 3, 2], r"classes in \[0, 3\), got 3"),
        ([0.0, 1.0, 2.0, 0.0], "one integer class an example.*float64"),
        ([[0, 1, 0]] * 4, r"of shape \(4, 3\)"),
    ],
)
def test_targets_that_are_no_classes(targets, message):
    with pytest.raises(ValueError, match=message):
        supervised(
            "mine",
            lambda w, x: x @ w,
            jnp.zeros((2, 3)),
            np.ones((4, 2)),
            np.asarray(targets),
            goal=Goal("loss", 0.1),
            loss="cross-entropy",
            flip_probability=0.1,
        )


@pytest.mark.parametrize(
    ("outputs", "targets", "loss", "message"),
    [
        ((4, 1), (4,), "squared", r"got targets \(4,\) and outputs \(4, 1\)"),
        ((4,), (4, 1), "squared", r"got targets \(4, 1\) and outputs \(4,\)"),
        ((4, 3), (4,), "squared", r"got targets \(4,\) and outputs \(4, 3\)"),
        ((4, 3), (4, 1), "squared", r"got targets \(4, 1\) and outputs \(4, 3\)"),
        ((4,), (4,), "cross-entropy", r"\(P, K\), got outputs \(4,\) and targets \(4,\)"),
        ((4, 2, 3), (4,), "cross-entropy", r"\(P, K\), got outputs \(4, 2, 3\)"),
    ],
)
def test_outputs_that_targets_would_be_broadcast_to(outputs, targets, loss, message):
    """(4, 1) less (4,) is (4, 4): each example would be fitted to the mean of all targets."""
    with pytest.raises(ValueError, match=message):
        supervised(
            "mine",
            lambda w, x: (x @ w).reshape(outputs),
            jnp.zeros((2, math.prod(outputs[1:]))),
            np.ones((4, 2)),
            np.zeros(targets, int if loss == "cross-entropy" else float),
            goal=Goal("loss", 0.1),
            loss=loss,
        )


@pytest.mark.parametrize("batch_size", [0, 4])
def test_whole_numbers_stay_whole_for_embeddings(batch_size):
    words = np.array([[0, 1], [1, 2], [2, 0], [0, 0]])
    problem = supervised(
        "words",
        lambda table, at: table[at].sum((1, 2)),
        jnp.zeros((3, 2)),
        words,
        np.arange(4.0),
        goal=Goal("loss", 0.1),
        batch_size=batch_size,
        start="init",
    )
    params = jnp.zeros((3, 2))
    counts = np.array([np.bincount(row, minlength=3) for row in words])
    assert float(problem.loss(params)) == pytest.approx(np.sum(np.arange(4.0) ** 2) / 8)
    assert problem.residuals(params + 1) == pytest.approx(2 * counts.sum(1) - np.arange(4.0))
    gradient = problem.gradient(params, jax.random.key(0))
    assert jnp.isfinite(gradient).all()
    if not batch_size:
        expected = -np.arange(4.0) @ counts / 4
        assert gradient == pytest.approx(np.stack([expected] * 2, axis=1))
    found = simulate(problem, 1e-2, 0.5, 0, steps=4, records=2, metrics=["loss"])
    assert np.isfinite(found.values["loss"]).all()
