"""JAX with Optax: ``flatfast.optax.sgd`` in place of ``optax.sgd``.

pip install ".[optax]" scikit-learn
python examples/optax_digits.py
"""

import argparse
from itertools import pairwise

import jax
import jax.numpy as jnp
import optax
from digits import digits

import flatfast.optax
from flatfast import MomentumLaw

WIDTHS = (64, 64, 64, 10)
Layers = list[tuple[jax.Array, jax.Array]]


def initial(key: jax.Array) -> Layers:
    """Kaiming's weights, and biases of 0."""
    sizes = list(pairwise(WIDTHS))
    keys = jax.random.split(key, len(sizes))
    return [
        (jnp.sqrt(2 / n) * jax.random.normal(k, (n, m)), jnp.zeros(m))
        for k, (n, m) in zip(keys, sizes, strict=True)
    ]


def predict(layers: Layers, x: jax.Array) -> jax.Array:
    """Outputs (P, 10) of a ReLU perceptron."""
    *hidden, (weight, bias) = layers
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return x @ weight + bias


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.04)
    parser.add_argument("--C", type=float, default=0.7)
    parser.add_argument("--noise", type=float, default=0.5, help="std on one-hot targets")
    parser.add_argument("--steps", type=int, default=4000)
    options = parser.parse_args()

    data = digits()
    x, targets = jnp.asarray(data.train), jax.nn.one_hot(data.train_classes, 10)
    schedule = optax.cosine_decay_schedule(options.lr, options.steps)
    optimizer = flatfast.optax.sgd(schedule, C=options.C)  # <- the one line

    def loss(layers: Layers, key: jax.Array) -> jax.Array:
        noisy = targets + options.noise * jax.random.normal(key, targets.shape)
        return jnp.mean((predict(layers, x) - noisy) ** 2)

    @jax.jit
    def step(
        layers: Layers, state: optax.OptState, key: jax.Array
    ) -> tuple[Layers, optax.OptState]:
        updates, state = optimizer.update(jax.grad(loss)(layers, key), state, layers)
        return optax.apply_updates(layers, updates), state

    momentum = flatfast.optax.momentum_schedule(schedule, MomentumLaw(options.C))
    key = jax.random.key(0)
    layers = initial(key)
    state = optimizer.init(layers)
    print(f"{'step':>6} {'lr':>9} {'momentum':>9} {'test accuracy':>14}")
    for number in range(1, options.steps + 1):
        layers, state = step(layers, state, jax.random.fold_in(key, number))
        if number % max(options.steps // 10, 1) == 0:
            right = predict(layers, jnp.asarray(data.test)).argmax(1) == data.test_classes
            lr, beta = jnp.asarray(schedule(number)), jnp.asarray(momentum(number))
            print(f"{number:6} {lr:9.4f} {beta:9.4f} {float(right.mean()):14.1%}")


if __name__ == "__main__":
    main()
