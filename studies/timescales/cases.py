"""What is measured: problems, learning rates, and pairs of them with momenta."""

from typing import NamedTuple

from flatfast.lab.goal import COOLED

RATIOS = (0.315, 0.5, 0.8, 1.25, 2.0, 3.15)
"""``C`` of the pairs about the crossing, in units of the predicted ``C``."""

SHARES = (1.0, 0.5, 0.25, 0.125)
"""Of the problem's noise, at the largest learning rate and the smallest C."""


class Case(NamedTuple):
    """What is measured on a problem.

    Attributes:
        lrs: Learning rates.
        far_lr: The one at which momenta go on to where modes are overdamped.
        far: ``C`` there, in units of the predicted.
        runs: Runs of each pair.
        records: Of a transverse coordinate; an oscillation takes more than ten.
        trace: Name of the Hessian's trace, read on the manifold.
        longest: Steps up to which a drift is followed.
        paths: Of the limit with random amplitudes; 0 for its mean field, where modes are many.
    """

    lrs: tuple[float, ...]
    far_lr: float
    far: tuple[float, ...]
    runs: int
    records: int
    trace: str
    longest: int
    paths: int

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """Learning rates with ``C`` in units of the predicted."""
        about = [(lr, ratio) for lr in self.lrs for ratio in RATIOS]
        return about + [(self.far_lr, ratio) for ratio in self.far]


FAR = (6.3, 12.5, 25.0)
CASES = {
    "scalar-product": Case(
        (1e-6, 1e-5, 1e-4, 1e-3), 1e-3, FAR, 128, 4096, "projected_trace", 2_000_000, 4096
    ),
    "matrix-sensing": Case(
        (5e-4, 1e-3, 2e-3, 4e-3), 4e-3, FAR, 32, 16384, f"{COOLED}trace", 120_000, 0
    ),
}
QUICK = {
    "scalar-product": CASES["scalar-product"]._replace(
        lrs=(1e-4, 1e-3), far=FAR[1:2], runs=16, paths=64
    )
}
"""Few runs, one problem, two learning rates."""


def key(lr: float, ratio: float) -> str:
    """A pair, in the result."""
    return f"{lr:g} {ratio:g}"
