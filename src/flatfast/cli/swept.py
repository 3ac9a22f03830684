"""What ``flatfast sweep`` is to run: momenta, as such or in units of the law, and methods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from flatfast.lab.estimation.conventions import Convention
    from flatfast.lab.recipes.recipe import Recipe

COMPARED_SEEDS = 4
"""Runs of each compared method at each learning rate, at most."""

COMPARED_LENGTH = 10
"""Longest run in the comparison, in those of the sweep."""


@dataclass(frozen=True)
class Momenta:
    """The momenta of a sweep.

    Attributes:
        pairs: Learning rates with their momenta.
        scaled: Least and greatest ``(1 - momentum) / lr^(2/3)``, where an adaptive sweep begins;
            zeros for another.
        left_out: What was asked for and cannot be, in words; empty if nothing.
    """

    pairs: list[tuple[float, float]]
    scaled: tuple[float, float]
    left_out: str = ""

    @property
    def most(self) -> float:
        """The greatest momentum."""
        return max((momentum for _, momentum in self.pairs), default=0.0)

    @classmethod
    def of(
        cls,
        rates: Sequence[float],
        momentum: str | None,
        prefactor: str | None,
        adaptive: bool,
        convention: "Convention",
    ) -> "Momenta":
        """As the command line has them.

        Args:
            rates: Learning rates.
            momentum: What ``--momentum`` was given.
            prefactor: What ``--C`` was given.
            adaptive: Whether the sweep is to choose its own.
            convention: In whose law C stands.

        Raises:
            ValueError: If both are given, or one is not of its form or range.
        """
        from flatfast.cli.values import momenta, momenta_of, prefactors
        from flatfast.lab.adaptive.plan import scaled_range

        if prefactor is None:
            betas = momenta(momentum) if momentum is not None else ()
            pairs = [(rate, beta) for rate in rates for beta in betas]
            return cls(pairs, scaled_range(betas, max(rates)) if adaptive else (0.0, 0.0))
        if momentum is not None:
            raise ValueError(
                f"give --momentum or --C, not both, got {momentum!r} and {prefactor!r}"
            )
        asked = prefactors(prefactor)
        if adaptive and len(set(asked)) < 2:
            raise ValueError(
                "C of an adaptive sweep is the range in which it begins to look, two values at "
                f"least, got {asked[0]:g} alone"
            )
        power, law = convention.power, convention.law
        pairs = [(rate, beta) for rate in rates for beta in momenta_of(asked, rate, convention)]
        lost = len(rates) * len(asked) - len(pairs)
        written = "C lr^(2/3)" if power == 1 else f"C^{power:g} lr^{law:g}"
        told = f"{lost} of {len(rates) * len(asked)} pairs left out: 1 - {written} is negative"
        if not pairs:
            highest = min(rates) ** (-law / power)
            raise ValueError(
                f"C must be at most lr^(-2/3) = {highest:.3g}, where the momentum "
                f"is zero, got {min(asked):g} and more"
            )
        return cls(pairs, (min(asked), max(asked)), told if lost else "")


def comparison(
    problem: str,
    rates: tuple[float, ...],
    seeds: int,
    longest: int,
    metrics: tuple[str, ...],
    dtype: str,
) -> "Recipe":
    """What is compared after a sweep.

    Args:
        problem: The problem's name.
        rates: The sweep's learning rates, at which all methods are compared; each has more of its
            own near its stability limit.
        seeds: Runs of the sweep at each pair.
        longest: The sweep's longest run, in steps.
        metrics: Recorded besides the goal's.
        dtype: Of the runs.
    """
    from flatfast.lab.recipes.recipe import Recipe

    kind: Literal["float32", "float64"] = "float64" if dtype == "float64" else "float32"
    return Recipe(
        problem=problem,
        lr=rates,
        scaled_mu=(0.0, 0.0),
        per_decade=0,
        seeds=seeds,
        duration=0.0,
        metrics=metrics,
        dtype=kind,
        comparison_lr=tuple(sorted(rates)),
        comparison_seeds=min(seeds, COMPARED_SEEDS),
        comparison_steps=COMPARED_LENGTH * longest,
        comparison_records=48,
    )
