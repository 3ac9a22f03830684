"""What is refused, and how it is said."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

optax = pytest.importorskip("optax", reason="needs the optax extra")

import flatfast.optax as ours  # noqa: E402 - only where optax is
from tests.optax.runs import (  # noqa: E402
    LAW,
)


@pytest.mark.parametrize("settings", [{}, {"C": 0.5, "law": LAW}])
def test_a_law_is_needed_and_no_two(settings):
    with pytest.raises(ValueError, match="give either C, the law's prefactor, or law"):
        ours.sgd(0.1, **settings)


@pytest.mark.parametrize("C", [0.0, -1.0, float("nan"), float("inf")])
def test_c_out_of_range(C):
    with pytest.raises(ValueError, match=f"C must be positive and finite, got {C}"):
        ours.sgd(0.1, C=C)


@pytest.mark.parametrize("C", ["0.46", [0.46], LAW, True])
def test_c_of_another_kind(C):
    with pytest.raises(TypeError, match="C must be a number or an array"):
        ours.sgd(0.1, C=C)


@pytest.mark.parametrize("lr", [-1e-9, np.float32(-1), float("nan"), float("inf")])
def test_a_constant_rate_out_of_range(lr):
    with pytest.raises(ValueError, match="learning_rate must be at least 0 and finite"):
        ours.sgd(lr, C=0.5)


@pytest.mark.parametrize("lr", ["x", None, True, [0.1], np.array(["0.1"]), np.True_, 0.1j], ids=str)
def test_a_rate_of_another_kind(lr):
    said = re.escape(f"must be a number, an array or a schedule, got {lr!r}")
    with pytest.raises(TypeError, match=f"learning_rate {said}"):
        ours.sgd(lr, C=0.4)
    with pytest.raises(TypeError, match=f"learning_rate {said}"):
        ours.momentum_schedule(lr, LAW)
    with pytest.raises(TypeError, match=f"decay {said}"):
        ours.trace(lr)


@pytest.mark.parametrize(
    "make", [lambda: 1, lambda: np.float32(0.1), lambda: jnp.array(0.1), lambda: lambda n: 0.1]
)
def test_rates_of_every_kind_that_is_one(make):
    optimizer = ours.sgd(make(), C=0.4)
    moved, _ = optimizer.update({"w": jnp.ones(2)}, optimizer.init({"w": jnp.ones(2)}))
    assert float(moved["w"][0]) < 0


def test_another_kind_of_law():
    with pytest.raises(TypeError, match="law must be a MomentumLaw, got function"):
        ours.sgd(0.1, law=lambda lr: 0.9)
