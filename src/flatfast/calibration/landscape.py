"""What calibration asks of a model, a loss and data: gradients and products, as flat vectors."""

from typing import Any, Protocol, runtime_checkable

Vector = Any
"""A flat array (D,) that knows ``+``, ``-``, ``@`` and products with numbers: NumPy, JAX, torch."""

GRADIENT, PROBE, PRODUCT, MISFIT = 1, 3, 2, 1
"""Cost in gradient evaluations (a forward and a backward pass) of the four questions below.

Counted in matrix products of a dense network, of which a forward pass takes one a layer and a
backward pass two: a probe's backward pass is differentiated again, which takes about six more; a
product takes a forward and a backward derivative, and parts of each again; a misfit takes a forward
pass alone.
"""


class Landscape(Protocol):
    """The loss around the current weights.

    ``G = J^T S J`` is the Gauss-Newton matrix of the loss over one step's examples, J the Jacobian
    of the outputs and S the Hessian of the loss in the outputs: on the manifold of minimizers it is
    the Hessian.
    """

    @property
    def batch_size(self) -> int:
        """Examples in a step."""
        ...

    @property
    def batches_per_step(self) -> int:
        """Batches that a step averages over; a gradient below is of one of them."""
        ...

    @property
    def examples(self) -> int | None:
        """Examples in all, None if not known."""
        ...

    @property
    def length(self) -> float:
        """Euclidean norm of the weights."""
        ...

    def gradients(self) -> tuple[Vector, Vector]:
        """Two gradients of the next batch, each with noise of its own, as training sees them."""
        ...

    @property
    def unseen(self) -> str:
        """What noise of training the two do not differ by, and how to have it seen; or empty."""
        ...

    def probe(self) -> tuple[float, Vector]:
        """``|J^T S^(1/2) z|^2`` for random signs z, whose mean is ``tr G``, and its gradient."""
        ...

    def product(self, v: Vector) -> Vector:
        """``G v``, on the same examples at every call."""
        ...

    def misfit(self) -> tuple[float, float]:
        """How far the next batch's outputs are from where their loss is least.

        The squared mean slope of the loss in the outputs, and the same with outputs that were dealt
        to the wrong examples; without bias, from two looks with noise of their own.
        """
        ...

    @property
    def product_batches(self) -> int:
        """Batches that a product goes over."""
        ...


def samples(landscape: Landscape) -> bool:
    """Whether a step leaves examples out, or may."""
    return landscape.examples is None or landscape.batch_size < landscape.examples


@runtime_checkable
class RowLandscape(Landscape, Protocol):
    """One that can be asked of its outputs one by one, as rows of the Jacobian.

    A row costs what a probe does, and all of them are exact.
    """

    @property
    def outputs(self) -> int:
        """Numbers that a step's examples have as outputs; 0 where a batch is not all of them."""
        ...

    def row(self, number: int) -> tuple[float, Vector]:
        """``|J^T S^(1/2) e|^2`` for one unit vector e, and its gradient; ``tr G`` is their sum."""
        ...
