"""Benchmarks: the same problem in both libraries, and what is read off their times."""

from dataclasses import replace

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")
pytest.importorskip("PIL", reason="needs the data extra")

from benchmarks import cases, network_throughput, timing, ways  # noqa: E402
from benchmarks.networks import Convolution, Dense  # noqa: E402

SMALL = {"examples": 12, "test_examples": 10}
PERCEPTRON = {**SMALL, "width": 8, "depth": 3}
RESNET = {**SMALL, "channels": 4, "side": 8}


@pytest.fixture(params=["fashion-mlp", pytest.param("cifar-resnet", marks=pytest.mark.slow)])
def case(request, monkeypatch, tmp_path):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path))
    settings = {"fashion-mlp": PERCEPTRON, "cifar-resnet": RESNET}[request.param]
    return cases.CASES[request.param](settings)


def test_start_loss_and_gradient_are_the_labs(case):
    params = jax.tree.map(lambda leaf: jax.numpy.asarray(leaf, "float32"), case.problem.start())
    leaves = jax.tree.map(lambda leaf: leaf.clone().requires_grad_(), case.start)
    loss = ways._loss(case, leaves, case.inputs, case.targets)
    assert float(case.problem.loss(params)) == pytest.approx(loss.item(), rel=1e-5)
    loss.backward()
    slope = jax.tree.leaves(jax.jit(jax.grad(case.problem.loss))(params))
    for own, other in zip(slope, jax.tree.leaves(leaves), strict=True):
        other = other.grad.permute(2, 3, 1, 0) if other.ndim == 4 else other.grad
        np.testing.assert_allclose(own, other, rtol=2e-3, atol=2e-5)


def test_operations_of_a_step():
    mlp = cases.fashion_mlp({**PERCEPTRON, "width": 200, "examples": 100})
    params = jax.tree.map(lambda leaf: jax.numpy.asarray(leaf, "float32"), mlp.problem.start())
    step = jax.jit(mlp.problem.gradient).lower(params, jax.random.key(0)).compile()
    # XLA counts the activations too.
    assert 1 < step.cost_analysis()["flops"] / mlp.flops < 1.1
    assert Dense(3, 5).flops(7) == 2 * 7 * 3 * 5
    assert Convolution(9, 3, 2, 4, 6).flops(1) == 2 * 25 * 9 * 4 * 6


def test_a_networks_products():
    net = cases.cifar_resnet({**RESNET, "blocks": 2, "side": 32, "channels": 64})
    weights = sum(
        p.inputs * p.outputs * (p.size**2 if isinstance(p, Convolution) else 1)
        for p in net.products
    )
    assert weights == sum(p.numel() for p in jax.tree.leaves(net.start) if p.ndim > 1)
    # 0.56 G products for an image, as ResNet-18 for CIFAR-10 is known to have.
    assert sum(p.flops(1) for p in net.products) / 2 == pytest.approx(0.556e9, rel=0.01)


def test_the_loop_and_the_ensemble_make_the_labs_steps(case):
    """Without noise, all three ways lead to the same weights."""
    lr, steps, quiet = 0.01, 3, replace(case, noise_std=0.0)
    params = jax.tree.map(lambda leaf: jax.numpy.asarray(leaf, "float32"), case.problem.start())
    velocity = jax.tree.map(jax.numpy.zeros_like, params)
    slope_at = jax.jit(jax.grad(case.problem.loss))
    for _ in range(steps):
        slope = slope_at(params)
        velocity = jax.tree.map(lambda p, g: ways.MOMENTUM * p + g, velocity, slope)
        params = jax.tree.map(lambda w, p: w - lr * p, params, velocity)
    loop = ways.torch_loop(quiet, lr, steps)()
    ensemble = ways.torch_ensemble(quiet, lr, 2, steps)()
    own = [jax.tree.leaves(tree) for tree in (params, loop, ensemble)]
    for leaf, alone, among in zip(*own, strict=True):
        expected = cases._tensor(leaf)
        torch.testing.assert_close(alone.detach(), expected, rtol=2e-3, atol=2e-5)
        torch.testing.assert_close(among[1], expected, rtol=2e-3, atol=2e-5)


def test_all_pieces_are_timed(case):
    found = network_throughput.measured(case, 2, (2, 2, 2), 2)
    assert set(found["run_steps_per_second"]) == {"flatfast", "torch_loop", "torch_ensemble"}
    assert ("share_of_convolution" in found) == (case.name == "cifar-resnet")
    for key in ("over_torch_loop", "over_torch_ensemble", "share_of_gemm"):
        assert 0 < found[key]["low"] <= found[key]["estimate"] <= found[key]["high"]
    few = network_throughput.measured(case, 2, (2, 2, 2), 1, only=("torch_loop",))
    assert set(few["seconds"]) == {"torch_loop"}


def test_ratios_are_of_pairs():
    # The machine slows down tenfold on the way: pairs do not see it.
    found = timing.ratio_of_rates([1.0, 10.0, 1.0], [3.0, 30.0, 3.0], 8, 4)
    assert found == {"estimate": 6.0, "low": 6.0, "high": 6.0}
    assert timing.rate([1.0, 5.0, 2.0], 10) == 5


@pytest.mark.parametrize("name", ["digits-mlp", "transformer"])
def test_a_calibrations_cost_is_told_in_steps(name, monkeypatch):
    from benchmarks import calibration_cost

    monkeypatch.setattr(calibration_cost, "BUDGETS", (40,))
    found = calibration_cost.times(name, steps=1, repeats=1)
    (entry,) = found["budgets"]
    assert 30 <= entry["evaluations"] <= 60
    assert entry["over_counted"]["estimate"] == pytest.approx(
        entry["steps"]["estimate"] / entry["evaluations"]
    )
