"""How a budget of gradient evaluations is spent."""

from dataclasses import dataclass, replace

from flatfast.calibration.landscape import GRADIENT, MISFIT, PROBE, PRODUCT

LEAST = 40
"""Gradient evaluations below which no error can be given."""

MISFITS = 4
"""Batches on which the outputs' misfit is read at first."""

PRODUCT_SHARE = 0.4
"""Share of a budget that products take."""

MOST_PRODUCTS = 64


@dataclass(frozen=True)
class Plan:
    """What is asked of a landscape.

    Attributes:
        pairs: Pairs of gradients.
        probes: Probes in each of two halves; 0 where rows take their place.
        products: Products with G, at most.
        rows: Outputs whose rows of the Jacobian are taken one by one.
        product_batches: Batches that a product goes over.
    """

    pairs: int
    probes: int
    products: int
    rows: int = 0
    product_batches: int = 1

    @property
    def cost(self) -> int:
        """In gradient evaluations."""
        return (
            2 * GRADIENT * self.pairs
            + MISFIT * MISFITS
            + PROBE * (2 * self.probes + self.rows)
            + PRODUCT * self.product_batches * self.products
        )


def plan(budget: int, product_batches: int = 1) -> Plan:
    """Divide a budget: two fifths for products, the rest in halves for noise and for probes.

    Args:
        budget: Gradient evaluations of one batch.
        product_batches: Batches that a product goes over.

    Raises:
        ValueError: If the budget is below :data:`LEAST`.
    """
    if budget < LEAST:
        raise ValueError(f"budget must be at least {LEAST} gradient evaluations, got {budget}")
    products = min(
        max(round(PRODUCT_SHARE * budget / (PRODUCT * product_batches)), 4), MOST_PRODUCTS
    )
    rest = max(budget - products * PRODUCT * product_batches - MISFITS * MISFIT, LEAST // 2)
    pairs = max(round(rest / 2 / (2 * GRADIENT)), 3)
    probes = max(round(rest / 2 / PROBE / 2), 2)
    return Plan(pairs, probes, products, product_batches=product_batches)


def with_rows(planned: Plan, outputs: int) -> Plan:
    """The plan with a row for each of the outputs in place of probes, where that costs no more.

    Rows are exact, and the slope of so many outputs is solved for after one product more. What is
    left goes to the noise.
    """
    if not outputs:
        return planned
    products = min(planned.products, outputs + 1)
    found = replace(planned, probes=0, rows=outputs, products=products)
    left = planned.cost - found.cost
    return replace(found, pairs=found.pairs + left // (2 * GRADIENT)) if left >= 0 else planned


def budget_for_rows(outputs: int, product_batches: int, most: int) -> int | None:
    """The least budget, below some other, at which rows are taken; None if there is none."""
    if not outputs:
        return None
    budgets = range(LEAST, most)
    return next((b for b in budgets if with_rows(plan(b, product_batches), outputs).rows), None)
