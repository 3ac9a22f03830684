"""The lab's problems as PyTorch models with the same weights, losses and label noise."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor, nn

from flatfast.lab.problem import Params, Problem
from flatfast.torch import LabelNoise

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}


class Twin(NamedTuple):
    """A model with what trains it.

    Attributes:
        model: At the problem's start.
        loss_fn: ``(outputs, targets) -> loss``, with label noise.
        data: ``(inputs, targets)``.
        params: ``model -> params`` of the lab's problem.
    """

    model: nn.Module
    loss_fn: Callable[[Tensor, Tensor], Tensor]
    data: tuple[Tensor, Tensor]
    params: Callable[[nn.Module], Params]


class _Perceptron(nn.Module):
    """Layers as the lab has them; outputs of one number have no dimension of their own."""

    def __init__(self, layers: list[dict[str, Any]], activation: str) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for number, layer in enumerate(layers):
            rows, columns = layer["weight"].shape
            linear = nn.Linear(rows, columns)
            with torch.no_grad():
                linear.weight.copy_(torch.as_tensor(np.array(layer["weight"]).T))
                linear.bias.copy_(torch.as_tensor(np.array(layer["bias"])))
            parts += [linear] if number == len(layers) - 1 else [linear, ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return found


class _Sensing(nn.Module):
    def __init__(self, factor: Any) -> None:
        super().__init__()
        self.U = nn.Parameter(torch.as_tensor(np.array(factor), dtype=torch.float32))

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = rows @ (self.U @ self.U.T).reshape(-1)
        return found


class _Product(nn.Module):
    def __init__(self, params: Params) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.as_tensor(np.array(params["u"]), dtype=torch.float32))
        self.v = nn.Parameter(torch.as_tensor(np.array(params["v"]), dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return (self.u @ self.v).expand(len(x))


def twin(problem: Problem, seed: int) -> Twin:
    """The PyTorch model of a problem.

    Raises:
        ValueError: If there is none.
    """
    start = jax.tree.map(np.asarray, problem.start())
    noise = LabelNoise(float(problem.settings["noise_std"]), seed=seed)

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        found: Tensor = (outputs - noise(targets)).square().sum() / (2 * len(outputs))
        return found

    if problem.name == "scalar-product":
        data = torch.zeros(1, 1), torch.full((1,), float(problem.settings["target"]))

        def product(model: nn.Module) -> Params:
            return {"u": _array(model.u), "v": _array(model.v)}

        return Twin(_Product(start), loss_fn, data, product)
    if problem.name == "matrix-sensing":
        rows = _rows(problem)
        sensing = {"U": jnp.zeros_like(jnp.asarray(start["U"], jnp.float32))}
        targets = -torch.as_tensor(np.array(_residuals(problem, sensing)), dtype=torch.float32)
        return Twin(_Sensing(start["U"]), loss_fn, (rows, targets), lambda m: {"U": _array(m.U)})
    if problem.name in ("digits-mlp", "teacher-student"):
        return _perceptron(problem, start, loss_fn)
    raise ValueError(f"no PyTorch model of {problem.name!r}")


def _perceptron(
    problem: Problem, start: Params, loss_fn: Callable[[Tensor, Tensor], Tensor]
) -> Twin:
    model = _Perceptron(start, str(problem.settings["activation"]))
    zero = jax.tree.map(jnp.zeros_like, start)
    targets = -torch.as_tensor(np.array(_residuals(problem, zero)), dtype=torch.float32)

    def params(model: nn.Module) -> Params:
        linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
        return [{"weight": _array(m.weight).T, "bias": _array(m.bias)} for m in linear]

    return Twin(model, loss_fn, (_inputs(problem), targets), params)


def _inputs(problem: Problem) -> Tensor:
    """The training inputs, among the arrays that the residuals' program holds."""
    params = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), problem.start())
    assert problem.residuals is not None
    shape = jax.eval_shape(problem.residuals, params).shape
    width = params[0]["weight"].shape[0]
    constants = jax.make_jaxpr(problem.residuals)(params).consts
    (found,) = [c for c in constants if c.shape == (shape[0], width)]
    return torch.as_tensor(np.array(found), dtype=torch.float32)


def _rows(problem: Problem) -> Tensor:
    """The measurements, likewise."""
    params = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), problem.start())
    assert problem.residuals is not None
    constants = jax.make_jaxpr(problem.residuals)(params).consts
    (found,) = [c for c in constants if c.ndim == 2 and c.shape[1] == params["U"].size]
    return torch.as_tensor(np.array(found), dtype=torch.float32)


def _residuals(problem: Problem, params: Params) -> jax.Array:
    assert problem.residuals is not None
    return problem.residuals(jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), params))


def _array(parameter: Any) -> jax.Array:
    return jnp.asarray(parameter.detach().numpy().copy())
