"""The residual network: its size, its convolutions against the compiler's own, its norm."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.training import convolution, resnet
from flatfast.lab.training.convolution import banded, convolved, native, operands, shifted
from flatfast.lab.training.mlp import activation


def drawn(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_resnet_18_has_its_number_of_parameters():
    """11,173,962 for ten classes of 32 x 32 images: the convolutions, two numbers for each channel
    that is normed, the last layer."""
    assert size(resnet.kaiming(64, 2, 3, 10, "relu", seed=0)) == 11_173_962


def test_stages_double_the_channels_and_halve_the_side():
    params = resnet.kaiming(4, 2, 3, 10, "gelu", seed=0)
    seen = []

    def watched(maps, kernel, stride):
        found = native(maps, kernel, stride)
        seen.append((kernel.shape[0], found.shape[1:]))
        return found

    outputs = resnet.predict(params, drawn(2, 32, 32, 3), jax.nn.gelu, watched)
    assert outputs.shape == (2, 10)
    stages = [(32, 32, 4), (16, 16, 8), (8, 8, 16), (4, 4, 32)]
    assert [shape for kernel, shape in seen if kernel == 3] == [stages[0]] + [
        shape for shape in stages for _ in range(4)
    ]
    assert [shape for kernel, shape in seen if kernel == 1] == stages[1:]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("form", [shifted, banded])
@pytest.mark.parametrize("side", [2, 7, 8])
def test_convolutions_are_the_compilers_with_kernels_of_each_run(form, kernel, stride, side):
    maps, kernels = drawn(3, 2, side, side, 3), drawn(3, kernel, kernel, 3, 5, seed=1)
    ours, reference = (
        jax.vmap(jax.value_and_grad(lambda m, k, f=f: jnp.sum(f(m, k, stride) ** 2), (0, 1)))(
            maps, kernels
        )
        for f in (form, native)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), ours, reference
    )


def test_the_form_is_chosen_by_the_length_of_a_row(monkeypatch):
    maps, kernel = drawn(1, 16, 16, 3), drawn(3, 3, 3, 8, seed=1)
    for form in ("banded", "shifted", "native"):
        monkeypatch.setattr(convolution, form, lambda *_, form=form: form)
    assert convolved(maps, kernel) == "banded"
    assert convolved(maps, drawn(3, 3, 3, 9)) == "shifted"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert convolved(maps, kernel) == "native"


@pytest.mark.parametrize("form", [shifted, banded, native])
def test_bfloat16_rounds_the_operands_alone(form):
    maps, kernel = drawn(2, 8, 8, 3), drawn(3, 3, 3, 5, seed=1)

    def nearest(values):
        return values.astype(jnp.bfloat16).astype(jnp.float32)

    rounded = form(maps, kernel, 1, operands("bfloat16"))
    assert rounded.dtype == jnp.float32
    np.testing.assert_allclose(rounded, form(nearest(maps), nearest(kernel)), rtol=1e-4, atol=1e-4)
    assert float(jnp.max(jnp.abs(rounded - form(maps, kernel)))) > 1e-3
    slope = jax.grad(lambda kernel: jnp.sum(form(maps, kernel, 1, operands("bfloat16")) ** 2))
    exact = jax.grad(lambda kernel: jnp.sum(form(maps, kernel) ** 2))(kernel)
    np.testing.assert_allclose(slope(kernel), exact, atol=0.02 * float(jnp.max(jnp.abs(exact))))


def test_unknown_precision():
    with pytest.raises(ValueError, match="precision must be one of float32, bfloat16, got 'half'"):
        operands("half")


def test_groups_of_a_norm():
    counts = [resnet.groups(channels) for channels in (1, 4, 6, 14, 64, 128, 512)]
    assert counts == [1, 1, 1, 2, 16, 32, 32]


def test_group_norm_norms_each_group_of_each_image_and_no_other():
    maps = 3 * drawn(2, 4, 4, 16) + 1
    normed = resnet.group_norm(maps, jnp.ones(16), jnp.zeros(16))
    grouped = np.asarray(normed).reshape(2, 16, 4, 4)
    np.testing.assert_allclose(grouped.mean(axis=(1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(grouped.var(axis=(1, 3)), 1, atol=1e-4)
    alone = resnet.group_norm(maps[:1], jnp.ones(16), jnp.zeros(16))
    np.testing.assert_allclose(alone, normed[:1], rtol=1e-5, atol=1e-6)
    moved = resnet.group_norm(maps, 2 * jnp.ones(16), jnp.arange(16.0))
    np.testing.assert_allclose(moved, 2 * normed + jnp.arange(16.0), rtol=1e-5, atol=1e-5)


def test_an_image_does_not_depend_on_its_batch():
    params = resnet.kaiming(4, 1, 3, 10, "gelu", seed=0)
    predict = partial(resnet.predict, activate=activation("gelu"), convolve=convolved)
    images = drawn(3, 16, 16, 3)
    np.testing.assert_allclose(
        predict(params, images[:1]), predict(params, images)[:1], rtol=1e-4, atol=1e-5
    )
