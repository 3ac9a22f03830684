"""What fits densely: matrices of a model that are made, and those that are too large to be."""

from flatfast.theory.model import SquaredError

DENSE_UP_TO = 50_000_000
"""Entries of a Jacobian (0.4 GB) up to which it is made."""


class TooLargeError(ValueError):
    """A model too large for what can only be done with a dense matrix."""


def fits_dense(model: SquaredError) -> bool:
    """Whether a model's Jacobian may be made."""
    return model.residual_count * model.size <= DENSE_UP_TO


def jacobian_size(model: SquaredError) -> str:
    """How large a model's Jacobian is, in words."""
    return (
        f"the Jacobian of {model.residual_count:,} residuals by {model.size:,} parameters has "
        f"{_entries(model.residual_count * model.size)}"
    )


def check_dense(model: SquaredError, what: str) -> None:
    """Check that a model's Jacobian can be made.

    Args:
        model: The model.
        what: What needs it, for the message.

    Raises:
        TooLargeError: If it has more than :data:`DENSE_UP_TO` entries; says how many.
    """
    if not fits_dense(model):
        raise TooLargeError(f"{what} cannot be found: {jacobian_size(model)}, {_REMEDY}")


def check_square(model: SquaredError, what: str) -> None:
    """Check that a matrix over a model's parameters can be made.

    Raises:
        TooLargeError: If it has more than :data:`DENSE_UP_TO` entries; says how many.
    """
    if model.size**2 > DENSE_UP_TO:
        raise TooLargeError(
            f"{what} cannot be made: over {model.size:,} parameters it has "
            f"{_entries(model.size**2)}, {_REMEDY}"
        )


_REMEDY = (
    f"and at most {DENSE_UP_TO:,} are made; take fewer examples or parameters, or what works by "
    "products alone (tangent, trace_gradient, label_noise_drift)"
)


def _entries(count: int) -> str:
    return f"{count:,} entries ({8 * count / 1e9:.2g} GB)"
