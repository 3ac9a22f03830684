"""The lab's problems as PyTorch models with the same weights, losses and label noise."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfast.lab.problem import Params, Problem
from flatfast.lab.problems._classifier import Images, digits
from flatfast.lab.problems.digits_resnet import CLASSES, SIDE
from flatfast.torch import LabelFlips, LabelNoise

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": lambda: nn.GELU(approximate="tanh"),  # JAX's
}


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
            _fill(linear, layer["weight"].T, layer["bias"])
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


class _Block(nn.Module):
    def __init__(self, start: Params, activation: str) -> None:
        super().__init__()
        self.first, self.second = _convolution(start["first"]), _convolution(start["second"])
        self.activate = ACTIVATIONS[activation]()

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = maps + self.second(self.activate(self.first(self.activate(maps))))
        return found


class _Residual(nn.Module):
    """The residual network, whose maps the lab keeps with channels last."""

    def __init__(self, start: Params, activation: str) -> None:
        super().__init__()
        self.stem = _convolution(start["stem"])
        self.blocks = nn.Sequential(*(_Block(block, activation) for block in start["blocks"]))
        self.head = nn.Linear(*start["head"]["weight"].shape)
        _fill(self.head, start["head"]["weight"].T, start["head"]["bias"])
        self.activate = ACTIVATIONS[activation]()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.blocks(self.stem(images.reshape(-1, 1, SIDE, SIDE)))
        found: Tensor = self.head(self.activate(maps).permute(0, 2, 3, 1).flatten(1))
        return found


def _residual_params(model: Any) -> Params:
    return {
        "stem": _kernel(model.stem),
        "blocks": [{"first": _kernel(b.first), "second": _kernel(b.second)} for b in model.blocks],
        "head": {"weight": _array(model.head.weight).T, "bias": _array(model.head.bias)},
    }


def _convolution(layer: Params) -> nn.Conv2d:
    """From ``(9 I, O)`` weights, shifts first."""
    rows, columns = layer["weight"].shape
    made = nn.Conv2d(rows // 9, columns, 3, padding=1)
    kernel = np.asarray(layer["weight"]).reshape(3, 3, rows // 9, columns).transpose(3, 2, 0, 1)
    _fill(made, kernel, layer["bias"])
    return made


def _kernel(layer: Any) -> Params:
    kernel = _array(layer.weight).transpose(2, 3, 1, 0)
    return {"weight": kernel.reshape(-1, kernel.shape[-1]), "bias": _array(layer.bias)}


def _fill(layer: nn.Conv2d | nn.Linear, weight: Any, bias: Any) -> None:
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(np.array(weight)))
        layer.bias.copy_(torch.as_tensor(np.array(bias)))


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
    if problem.settings.get("loss") == "cross-entropy":
        return _flipping(problem, start, seed)
    if problem.name in ("digits-mlp", "teacher-student"):
        return _perceptron(problem, start, loss_fn)
    if problem.name == "digits-resnet":
        images = _images(problem)
        network = _Residual(start, str(problem.settings["activation"]))
        one_hot = F.one_hot(torch.as_tensor(images.train_classes), CLASSES).float()
        pixels = torch.as_tensor(images.train, dtype=torch.float32)
        return Twin(network, loss_fn, (pixels, one_hot), _residual_params)
    raise ValueError(f"no PyTorch model of {problem.name!r}")


def _perceptron(
    problem: Problem, start: Params, loss_fn: Callable[[Tensor, Tensor], Tensor]
) -> Twin:
    model = _Perceptron(start, str(problem.settings["activation"]))
    zero = jax.tree.map(jnp.zeros_like, start)
    targets = -torch.as_tensor(np.array(_residuals(problem, zero)), dtype=torch.float32)
    return Twin(model, loss_fn, (_inputs(problem), targets), _layers)


def _flipping(problem: Problem, start: Params, seed: int) -> Twin:
    """Digits with cross-entropy, on labels that flip."""
    images = _images(problem)
    # The lab's flips draw from all classes, the true one among them.
    probability = float(problem.settings["flip_probability"]) * (CLASSES - 1) / CLASSES
    flips = LabelFlips(probability, CLASSES, seed=seed)

    def loss_fn(outputs: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(outputs, flips(labels))

    model = _Perceptron(start, str(problem.settings["activation"]))
    data = torch.as_tensor(images.train, dtype=torch.float32), torch.as_tensor(images.train_classes)
    return Twin(model, loss_fn, data, _layers)


def _layers(model: nn.Module) -> Params:
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    return [{"weight": _array(m.weight).T, "bias": _array(m.bias)} for m in linear]


def _images(problem: Problem) -> Images:
    """The digits that a problem has drawn."""
    return digits(int(problem.settings["examples"]), int(problem.settings["data_seed"]))


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
