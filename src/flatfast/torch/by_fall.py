"""A measured prefactor that follows the sharpness: what is due before a step, and its state."""

from dataclasses import asdict
from typing import Any

from flatfast.calibration import Calibration
from flatfast.calibration.following import Following
from flatfast.calibration.spending import Spending
from flatfast.torch.calibrator import Gauging
from flatfast.torch.processes import agreed

State = dict[str, Any]

FIRST = "first"
"""Key of the sharpness that was read at the first law: readings are shares of it."""


class ByFall:
    """Measures what is due; all that it knows is in the state that it is given.

    Attributes:
        measure: What it asks.
        share: Gradient evaluations that may be spent, as a share of the steps made.
    """

    def __init__(self, measure: Gauging, share: float) -> None:
        """Nothing is measured yet."""
        self.measure, self.share = measure, share

    def following(self, state: State) -> Following:
        """What a state knows of the landscape."""
        names = Following.__dataclass_fields__
        return Following(**{name: state[name] for name in names if name in state})

    def spending(self, state: State) -> Spending:
        """What a state has spent."""
        made, gauges = state["made"], state["gauges"]
        return Spending(self.share, gauges, state["spent"] - gauges, made)

    def due(self, state: State, lr: float) -> tuple[State, Calibration | None]:
        """Measure, if something is due.

        Args:
            state: As :meth:`kept` makes it.
            lr: Learning rate of the moment.

        Returns:
            The new state, and the calibration if one was made.
        """
        known, spent, steps = self.following(state), self.spending(state), state["steps"]
        if not known.start:
            return self._first(state, lr) if spent.may_try_again(steps) else (state, None)
        if not spent.may_gauge(steps, self.measure.reading_cost):
            return state, None
        share = agreed(self.measure.sharpness()) / state[FIRST]
        known, spent = known.gauged(share), spent.gauged(self.measure.reading_cost)
        if not (known.wants_calibration and spent.may_calibrate(steps)):
            return self.kept(state, known, spent), None
        found = agreed(self.measure(lr))
        # A refusal is not asked again here, but where the sharpness has fallen further.
        known = known.calibrated(found) if found.ok else known.refused()
        return self.kept(state, known, spent.calibrated(found.evaluations)), found

    def _first(self, state: State, lr: float) -> tuple[State, Calibration]:
        found = agreed(self.measure.ahead(lr))
        known, spent = self.following(state), self.spending(state).calibrated(found.evaluations)
        if not found.ok:
            return self.kept(state, known, spent), found
        read = {**state, FIRST: agreed(self.measure.sharpness())}
        return self.kept(read, known.calibrated(found), spent), found

    def kept(self, state: State, known: Following, spent: Spending) -> State:
        """The state with this in it: plain numbers, for checkpoints."""
        told = {name: _plain(value) for name, value in asdict(known).items()}
        C = known.prefactor if known.start else None
        found = {"C": C, "found": known.calibrations, "along": known.along}
        of_cost = {"spent": spent.total, "gauges": spent.gauges, "made": spent.made}
        return {**state, **told, **found, **of_cost}


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def told_of(state: State) -> str:
    """How often it was measured, and where the sharpness is and at what cost, if that is known."""
    times = f"measured {state['found']}x"
    if "share" not in state:
        return times
    return (
        f"{times}, sharpness at {state['share']:.0%} of the first, cost {state['spent']:,} "
        f"gradients in {state['steps']:,} steps"
    )
