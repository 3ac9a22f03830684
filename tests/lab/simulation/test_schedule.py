"""Runs whose learning rate and momentum change, against PyTorch's scheduler."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.problems.matrix_sensing import matrix_sensing
from flatfast.lab.problems.scalar_product import scalar_product
from flatfast.lab.simulation.schedule import OneCycle
from flatfast.lab.simulation.simulate import simulate

PROBLEMS = [scalar_product(), matrix_sensing(dimension=6, examples=12, batch_size=5)]


def torch_cycle(peak, momentum, steps, cycle):
    """Learning rate and momentum of each step in a loop with PyTorch's scheduler."""
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=peak, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        peak,
        total_steps=steps,
        pct_start=cycle.pct_start,
        base_momentum=momentum,
        max_momentum=cycle.max_momentum,
        div_factor=cycle.div_factor,
        final_div_factor=cycle.final_div_factor,
    )
    used = []
    for _ in range(steps):
        optimizer.step()
        used.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        scheduler.step()
    return np.array(used).T


@pytest.mark.parametrize("cycle", [OneCycle(), OneCycle(0.45, 0.99, 4.0, 10.0)])
@pytest.mark.parametrize("steps", [10, 37, 500])
def test_the_cycle_is_pytorch_s(cycle, steps):
    step = jnp.arange(steps, dtype=jnp.uint32)
    lr, momentum = cycle(
        jnp.full(steps, 0.3), jnp.full(steps, 0.85), step, jnp.full(steps, steps, jnp.uint32)
    )
    expected_lr, expected_momentum = torch_cycle(0.3, 0.85, steps, cycle)
    # The last step's learning rate is 250,000 times smaller than the peak's, and right as well.
    np.testing.assert_allclose(lr, expected_lr, rtol=5e-6)
    np.testing.assert_allclose(momentum, expected_momentum, rtol=5e-7)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_runs_agree_with_a_loop_under_pytorch_s_scheduler(problem):
    steps, lr, momentum, seed = 30, 0.02, 0.8, 7
    name, gradient = "loss", jax.jit(problem.gradient)
    # In double precision, in which a difference is the schedule's and not rounding's.
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), problem.start())
        velocity = jax.tree.map(jnp.zeros_like, params)
        expected = [float(problem.metrics[name](params))]
        for step, (rate, beta) in enumerate(torch_cycle(lr, momentum, steps, OneCycle()).T):
            slope = gradient(params, jax.random.fold_in(jax.random.key(seed), step))
            velocity = jax.tree.map(lambda p, g, beta=beta: beta * p + g, velocity, slope)
            params = jax.tree.map(lambda w, p, rate=rate: w - rate * p, params, velocity)
            expected.append(float(problem.metrics[name](params)))
    # Records at every step: the block after which the host looks in does not restart the cycle.
    found = simulate(
        problem,
        [lr, 0.5 * lr],
        momentum,
        seed,
        steps=steps,
        records=steps,
        metrics=[name],
        dtype="float64",
        schedule=OneCycle(),
    )
    np.testing.assert_allclose(found.values[name][0], expected, rtol=1e-8, atol=1e-20)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_a_schedule_that_changes_nothing_is_a_constant_run(problem):
    arguments = {"lr": [0.01, 0.02], "momentum": [0.9, 0.5], "seed": [0, 1]}
    constant, scheduled = (
        simulate(problem, **arguments, steps=50, records=5, schedule=schedule)
        for schedule in (None, lambda lr, momentum, step, length: (lr, momentum))
    )
    goal = problem.goal.metric
    np.testing.assert_array_equal(constant.values[goal], scheduled.values[goal])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pct_start": 1.0}, r"pct_start must be in \(0, 1\), got 1.0"),
        ({"max_momentum": 1.0}, r"max_momentum must be in \[0, 1\), got 1.0"),
        ({"div_factor": 0.0}, "div_factor must be positive and finite, got 0.0"),
        ({"final_div_factor": np.inf}, "final_div_factor must be positive and finite, got inf"),
    ],
)
def test_bad_cycles_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        OneCycle(**arguments)
