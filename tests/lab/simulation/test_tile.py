"""A run's trajectory, bit for bit, whatever runs beside it and on however many devices."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.goal import Goal
from flatfast.lab.problems import load
from flatfast.lab.simulation import simulate as module
from flatfast.lab.simulation.simulate import simulate
from flatfast.lab.simulation.tile import NARROWEST, WIDEST, tile_width

SMALL = {
    "digits-mlp": {"examples": 30, "width": 8, "depth": 2},
    "matrix-sensing": {"dimension": 6, "examples": 20},
    "digits-resnet": {"examples": 12, "channels": 4, "blocks": 1},
}


def small(name):
    """The problem in small, its loss recorded: what is compared is the path, not the metric."""
    return replace(load(name, {**SMALL[name], "start": "init"}), goal=Goal("loss", 0.1))


def losses(problem, runs):
    """(N, R) losses of these runs, which differ in learning rate, momentum and seed."""
    runs = np.asarray(runs)
    settings = (1e-3 * (1 + runs % 7), 0.8 + 0.01 * (runs % 13), runs)
    return simulate(problem, *settings, steps=40, records=4).values["loss"]


@pytest.mark.parametrize(
    "name", ["digits-mlp", "matrix-sensing", pytest.param("digits-resnet", marks=pytest.mark.slow)]
)
def test_neither_batch_nor_devices_change_a_run(name, monkeypatch):
    problem = small(name)
    together = losses(problem, np.arange(70))
    assert len(np.unique(together[:, -1])) == 70
    for part in ([0], [5, 3, 69], np.arange(17, 40)):
        np.testing.assert_array_equal(losses(problem, part), together[part])
    monkeypatch.setattr(module.jax, "devices", lambda: jax.local_devices()[:1])
    np.testing.assert_array_equal(losses(problem, [0, 3, 69]), together[[0, 3, 69]])


def test_the_width_follows_the_work_of_a_step():
    def width(size, platform="cpu"):
        return tile_width(jax.make_jaxpr(lambda x: x + 1)(jnp.ones(size)).jaxpr, platform)

    widths = [width(2**power) for power in range(0, 24)]
    assert widths[0] == WIDEST
    assert widths[-1] == NARROWEST
    assert widths == sorted(widths, reverse=True)
    assert {1 << (w.bit_length() - 1) for w in widths} == set(widths)
    assert width(2**16) < width(2**16, "gpu")


def test_a_nested_program_is_counted():
    def looped(x):
        return jax.lax.fori_loop(0, 9, lambda _, x: jnp.sin(x), x)

    size = 2**13
    plain = tile_width(jax.make_jaxpr(jnp.sin)(jnp.ones(size)).jaxpr, "cpu")
    nested = tile_width(jax.make_jaxpr(looped)(jnp.ones(size)).jaxpr, "cpu")
    assert nested < plain
