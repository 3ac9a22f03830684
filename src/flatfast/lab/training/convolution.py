"""Convolutions whose kernels differ from run to run, in the form that is fast where they run.

A batch of runs has kernels of its own for each. A GPU's library takes that as a grouped
convolution. A CPU's convolutions have no fast program for it, batched matrix products have, and
there are two ways to one: over the shifted copies of a map (:func:`shifted`), and over its whole
rows, of which a row of the result is a product with a banded matrix (:func:`banded`). The second
does more arithmetic, and is the faster of the two as long as a row is short, for a matrix of few
columns keeps no processor busy.
"""

import math

import jax
import jax.numpy as jnp

ROW = 128
"""Most numbers in a row of a result for which the banded form is the faster on a CPU (measured with
8 runs of 100 images: 1.3 to 2.4 times as fast up to here, half as fast to as fast at 256)."""

OPERANDS = {"float32": None, "bfloat16": jnp.bfloat16}
"""Precision by name: to what the operands of a product are rounded; None leaves them alone."""


def operands(precision: str) -> jnp.dtype | None:
    """To what the operands of a product are rounded at a precision.

    Raises:
        ValueError: If there is none of that name.
    """
    if precision not in OPERANDS:
        raise ValueError(f"precision must be one of {', '.join(OPERANDS)}, got {precision!r}")
    rounded = OPERANDS[precision]
    return None if rounded is None else jnp.dtype(rounded)


def convolved(
    maps: jax.Array, kernel: jax.Array, stride: int = 1, rounded: jnp.dtype | None = None
) -> jax.Array:
    """A convolution with ``k // 2`` zeros at each side, in the form for this machine.

    Args:
        maps: (B, S, S, I).
        kernel: (k, k, I, O), k odd.
        stride: Step between the places where it is read.
        rounded: Type to which the operands are rounded, as :func:`operands` gives it; products are
            added up in the maps' own.

    Returns:
        (B, S', S', O), with S' = ceil(S / stride), in the maps' type.
    """
    if jax.default_backend() != "cpu":
        return native(maps, kernel, stride, rounded)
    row = math.ceil(maps.shape[2] / stride) * kernel.shape[-1]
    return (banded if row <= ROW else shifted)(maps, kernel, stride, rounded)


def native(
    maps: jax.Array, kernel: jax.Array, stride: int = 1, rounded: jnp.dtype | None = None
) -> jax.Array:
    """:func:`convolved` by the compiler's own convolution."""
    pad = kernel.shape[0] // 2
    found: jax.Array = jax.lax.conv_general_dilated(
        maps.astype(rounded or maps.dtype),
        kernel.astype(rounded or kernel.dtype),
        (stride, stride),
        ((pad, pad), (pad, pad)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        preferred_element_type=maps.dtype,
    )
    return found


def shifted(
    maps: jax.Array, kernel: jax.Array, stride: int = 1, rounded: jnp.dtype | None = None
) -> jax.Array:
    """:func:`convolved` as one matrix product over shifted copies."""
    size, side = kernel.shape[0], maps.shape[1]
    pad = size // 2
    padded = jnp.pad(maps, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    shifts = [
        padded[:, row : row + side : stride, column : column + side : stride]
        for row in range(size)
        for column in range(size)
    ]
    weight = kernel.reshape(-1, kernel.shape[-1])
    return _product(jnp.concatenate(shifts, axis=-1), weight, rounded)


def banded(
    maps: jax.Array, kernel: jax.Array, stride: int = 1, rounded: jnp.dtype | None = None
) -> jax.Array:
    """:func:`convolved` as one matrix product over whole rows, with a banded matrix."""
    size, (batch, side, _, inputs), outputs = kernel.shape[0], maps.shape, kernel.shape[-1]
    pad, columns = size // 2, math.ceil(side / stride)
    # Column j of a map meets kernel column c at column (j - c + pad) / stride of the result.
    met = jnp.arange(side)[:, None] == (
        stride * jnp.arange(columns) + jnp.arange(size)[:, None, None] - pad
    )
    band = jnp.einsum("cjk,rcio->rjiko", met.astype(kernel.dtype), kernel)
    padded = jnp.pad(maps.reshape(batch, side, side * inputs), ((0, 0), (pad, pad), (0, 0)))
    rows = [padded[:, row : row + side : stride] for row in range(size)]
    found = _product(jnp.concatenate(rows, axis=-1), band.reshape(-1, columns * outputs), rounded)
    return found.reshape(batch, -1, columns, outputs)


def _product(left: jax.Array, right: jax.Array, rounded: jnp.dtype | None) -> jax.Array:
    if rounded is None:
        return left @ right
    return jnp.matmul(
        left.astype(rounded), right.astype(rounded), preferred_element_type=left.dtype
    )
