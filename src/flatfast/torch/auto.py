"""A prefactor that is measured again and again while training goes on. Experimental.

Training starts at momentum 0.9. Whenever its budget allows, a calibration is made at the weights of
the moment, fluctuations and all (:func:`flatfast.torch.calibrate`), and C moves towards what it
found: all the way at first, later by half the way in its logarithm and by no more than a factor of
two. A calibration that finds no law, as far from zero loss, leaves C as it is; and so does one that
finds the slope of the sharpness nearly gone. Then the drift is over, and what the formula of one
point takes for a slow landscape is the bottom of one: less friction would swing out of it again.
"""

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer

from flatfast.calibration import Calibration
from flatfast.law import GAMMA, MomentumLaw
from flatfast.torch.coupling import Coupling, couple
from flatfast.torch.groups import scheduled_lr
from flatfast.torch.processes import agreed
from flatfast.torch.wrappers import unwrapped

START = 0.9
"""Momentum until there is a measurement."""

SHARE = 0.05
"""Gradient evaluations that calibrations may take, as a share of the steps made."""

MOST = 2.0
"""Factor by which C moves at most, from the second calibration on."""

REST = 0.1
"""Squared slope of the sharpness along the manifold, as a share of the first that was measured,
below which the drift is over."""

STATE = "auto"
"""Key of the first parameter group in which the state is kept, and with it in checkpoints."""


class AutoMomentum:
    """An optimizer whose law is measured while it trains; made by :func:`auto_momentum`.

    Attributes:
        coupling: The optimizer's coupling.
        last: The last calibration, if one was made in this process.
    """

    def __init__(
        self, optimizer: Optimizer, measure: Callable[[float], Calibration], share: float = SHARE
    ) -> None:
        """As :func:`auto_momentum`."""
        if not 0 < share < 1:
            raise ValueError(f"share must be in (0, 1), got {share}")
        self.optimizer, self.measure, self.share = optimizer, measure, share
        self.last: Calibration | None = None
        lr = scheduled_lr(optimizer)
        if not lr > 0:
            raise ValueError(f"lr must be positive at the start, got {lr}")
        law = MomentumLaw((1 - START) * lr**-GAMMA)
        own = getattr(optimizer, "coupling", None)
        self._ours = not isinstance(own, Coupling)
        self.coupling = own if isinstance(own, Coupling) else couple(optimizer, law)
        optimizer.param_groups[0].setdefault(
            STATE, {"C": law.C, "steps": 0, "spent": 0, "found": 0, "along": 0.0}
        )
        self._adopt()
        self._hooks = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_load_state_dict_post_hook(lambda _: self._adopt()),
        ]

    @property
    def prefactor(self) -> float:
        """The prefactor in use."""
        return float(self._state["C"])

    def remove(self) -> None:
        """End measuring; the momentum goes back to what it was before, or stays where C is.

        It stays with :class:`flatfast.torch.SGD`, which goes on with the last law.
        """
        for hook in self._hooks:
            hook.remove()
        self.optimizer.param_groups[0].pop(STATE, None)
        if self._ours:
            self.coupling.remove()

    @property
    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.optimizer.param_groups[0][STATE]
        return found

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        # One calibration in advance: the first is made before the first step.
        if self._state["spent"] <= self.share * self._state["steps"]:
            self._calibrate()
        self._keep(steps=self._state["steps"] + 1)

    def _calibrate(self) -> None:
        lr = float(self.optimizer.param_groups[0]["lr"])
        if not lr > 0:
            return
        self.last = found = agreed(self.measure(lr))
        state = self._state
        self._keep(spent=state["spent"] + found.evaluations)
        if not found.ok or found.along < REST * state["along"]:
            return
        way = math.log(found.C / state["C"])
        if state["found"]:
            way = min(max(way / 2, -math.log(MOST)), math.log(MOST))
        self._keep(
            C=state["C"] * math.exp(way),
            found=state["found"] + 1,
            along=state["along"] or found.along,
        )
        self._adopt()
        self.coupling.follow()

    def _keep(self, **changed: float) -> None:
        """Replace, never change in place: a checkpoint may hold what was there."""
        self.optimizer.param_groups[0][STATE] = {**self._state, **changed}

    def _adopt(self) -> None:
        """Give every group the law of the state's C."""
        law = MomentumLaw(self.prefactor)
        for index in range(len(self.optimizer.param_groups)):
            self.coupling.set_law(index, law)


def auto_momentum(
    optimizer: Any, measure: Callable[[float], Calibration], *, share: float = SHARE
) -> AutoMomentum:
    """Let momentum follow a law whose prefactor is measured while training goes on. Experimental.

    ::

        auto_momentum(optimizer, lambda lr: calibrate(model, loss_fn, loader, lr))

    Args:
        optimizer: Any optimizer with ``momentum``; or :class:`flatfast.torch.SGD`.
        measure: Learning rate to calibration.
        share: Gradient evaluations that calibrations may take, as a share of the steps made; the
            first is made before the first step, in advance.

    Returns:
        What is in use, and :meth:`AutoMomentum.remove`.

    Raises:
        ValueError: If ``share`` is not in (0, 1) or the learning rate is not positive.
        MomentumConflictError: If something else writes the momentum.
    """
    return AutoMomentum(unwrapped(optimizer), measure, share)
