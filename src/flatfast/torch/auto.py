"""A prefactor that is measured while training goes on, and follows the landscape. Experimental.

Until something has been measured the momentum stays as it is; the first law that is found is taken
over. With a :class:`flatfast.torch.Calibrator` the sharpness is read every few dozen steps, C
follows it, and a calibration is made again when it has fallen (:mod:`flatfast.torch.by_fall`).

A plain function from learning rate to calibration cannot be asked for the sharpness alone. It is
called whenever its budget allows, at the weights of the moment, fluctuations and all, and C moves
by half the way in its logarithm and by no more than a factor of two. A calibration that finds no
law, as far from zero loss, leaves everything as it is; and so does one that finds the slope of the
sharpness nearly gone. Then the drift is over, and what the formula of one point takes for a slow
landscape is the bottom of one: less friction would swing out of it again. Each reason to leave
things as they are is told once, in a warning.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer

from flatfast.arguments import as_number
from flatfast.calibration import Calibration, Verdict
from flatfast.calibration.doubts import weight_decay_doubt
from flatfast.calibration.following import REST
from flatfast.law import GAMMA, MomentumLaw
from flatfast.torch.by_fall import ByFall, told_of
from flatfast.torch.calibrator import Gauging
from flatfast.torch.coupling import Coupling
from flatfast.torch.groups import Group, is_dampened, momentum_of
from flatfast.torch.others import Others
from flatfast.torch.processes import agreed, rank
from flatfast.torch.warned import warn
from flatfast.torch.wrappers import layers
from flatfast.torch.writers import MomentumConflictError, what_is_doubtful

START = 0.9
"""Momentum of :class:`flatfast.torch.SGD` until there is a measurement."""

SHARE = 0.05
"""Gradient evaluations that calibrations may take, as a share of the steps made."""

MOST = 2.0
"""Factor by which C moves at most, from the second calibration on."""

BUDGET_GOES = " It goes inside measure: calibrate(..., budget=...)."
"""Where a budget is given that a refusal asks for."""

STATE = "auto"
"""Key of the first parameter group in which the state is kept, and with it in checkpoints."""

NEW = {"C": None, "steps": 0, "spent": 0, "found": 0, "along": 0.0, "gauges": 0, "made": 0}
"""The state before anything has been measured."""


@dataclass(frozen=True, repr=False)
class Unmeasured(MomentumLaw):
    """One momentum at every learning rate: floor and ceiling in one."""

    def __repr__(self) -> str:
        return f"momentum {self.max_momentum:g}, nothing being measured yet"


def unmeasured(momentum: float = START) -> Unmeasured:
    """What stands in for a law until there is one."""
    return Unmeasured(1.0, min_momentum=momentum, max_momentum=momentum)


class AutoMomentum:
    """An optimizer whose law is measured while it trains; made by :func:`auto_momentum`.

    Attributes:
        optimizer: The optimizer that makes the steps.
        coupling: Its coupling, which keeps the momentum until there is a law.
        last: The last calibration, if one was made in this process.
    """

    def __init__(
        self,
        optimizer: Any,
        measure: Callable[[float], Calibration],
        share: float = SHARE,
        others: Others = "raise",
    ) -> None:
        """As :func:`auto_momentum`."""
        share = as_number("share", share, "a number in (0, 1)")
        if not 0 < share < 1:
            raise ValueError(f"share must be in (0, 1), got {share}")
        self.optimizer: Optimizer = layers(optimizer)[-1]
        self.measure, self.share = measure, share
        self._by_fall = ByFall(measure, share) if isinstance(measure, Gauging) else None
        self.last: Calibration | None = None
        own = getattr(self.optimizer, "coupling", None)
        self._ours = not isinstance(own, Coupling)
        if not self._ours and is_measured(self.optimizer):
            raise MomentumConflictError(
                f"the law of this {type(self.optimizer).__name__} is being measured already; "
                "auto.remove() ends that"
            )
        groups = self.optimizer.param_groups
        if any(is_dampened(group) for group in groups):
            raise ValueError(
                "dampening must be 0: what is measured on the way is at heavy ball's learning "
                "rate. Calibrate at lr (1 - momentum), and couple"
            )
        self.coupling: Coupling = (
            own
            if isinstance(own, Coupling)
            else Coupling(optimizer, [self._kept(group) for group in groups], others=others)
        )
        self._told: set[str] = set()
        self._hooks = [
            self.optimizer.register_step_pre_hook(self._before_step),
            self.optimizer.register_step_post_hook(self._after_step),
            self.optimizer.register_load_state_dict_post_hook(self._after_load),
        ]
        self._give_laws()

    @property
    def law(self) -> MomentumLaw | None:
        """The law in use; None until one has been measured."""
        return MomentumLaw(self._state["C"]) if self._state["found"] else None

    @property
    def prefactor(self) -> float:
        """C of the law in use.

        Until one has been measured, what the momentum that is kept amounts to at the learning rate
        of the moment, ``(1 - momentum) / lr^(2/3)``: a reading, which nothing follows.
        """
        if self.law is not None:
            return self.law.C
        first = self.coupling.groups()[0]
        return (1 - first.momentum) / first.lr**GAMMA if first.lr > 0 else math.inf

    def remove(self) -> None:
        """End measuring; the momentum goes back to what it was before, or stays where C is.

        It stays with :class:`flatfast.torch.SGD`, which goes on with the last law.
        """
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self.optimizer.param_groups[0].pop(STATE, None)
        if self._ours:
            self.coupling.remove()

    def __repr__(self) -> str:
        name = type(self.optimizer).__name__
        if not self._hooks:
            return f"AutoMomentum({name}, removed)"
        used = f"momentum {self._momenta()}"
        if self.law is not None:
            measured = told_of(self._state)
            return f"AutoMomentum({name}: {used} by C={self.law.C:.3g}, {measured})"
        why = "nothing has been tried"
        if self.last is not None:
            why = ", ".join(doubt.verdict for doubt in self.last.doubts if doubt.fatal)
        return f"AutoMomentum({name}: {used} as it was, not measured yet: {why})"

    def _momenta(self) -> str:
        """The momenta in use, each once."""
        momenta = [group.momentum for group in self.coupling.groups()]
        return " and ".join(f"{momentum:.4g}" for momentum in dict.fromkeys(momenta))

    # --- At every step -----------------------------------------------------------------------

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._by_fall is not None:
            self._follow(self._by_fall)
        # One calibration in advance: the first is made before the first step.
        elif self._state["spent"] <= self.share * self._state["steps"]:
            self._calibrate()
        self._give_laws()

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._keep(steps=self._state["steps"] + 1)

    def _follow(self, by_fall: ByFall) -> None:
        lr = float(self.optimizer.param_groups[0]["lr"])
        if not lr > 0:
            return
        by_fall.share = self.share
        # Resting or refused, it asks no more before the sharpness has fallen further.
        state, found = by_fall.due(self._state, lr)
        resting = state.get("resting", 0) and not self._state.get("resting", 0)
        self._keep(**state)
        if found is None:
            return
        self.last = found
        if found.refusal is not None:
            self._refused(found)
        elif resting:
            self._tell(
                "rest",
                "The slope of the sharpness has fallen below "
                f"{REST:.0%} of the first that was measured: the drift is over.",
            )
        else:
            self._caution(found)

    def _calibrate(self) -> None:
        lr = float(self.optimizer.param_groups[0]["lr"])
        if not lr > 0:
            return
        self.last = found = agreed(self.measure(lr))
        state = self._state
        self._keep(spent=state["spent"] + found.evaluations)
        if found.refusal is not None:
            self._refused(found)
            return
        if found.along < REST * state["along"]:
            self._tell(
                "rest",
                f"The slope of the sharpness has fallen to {found.along / state['along']:.0%} of "
                "the first that was measured: the drift is over, and C no longer to be had.",
            )
            return
        # Plain numbers: a checkpoint is to be loaded by whoever knows nothing of estimates.
        C = found.C.value
        if state["found"]:
            way = math.log(found.C / state["C"])
            C = state["C"] * math.exp(min(max(way / 2, -math.log(MOST)), math.log(MOST)))
        self._keep(C=C, found=state["found"] + 1, along=state["along"] or found.along.value)
        self._caution(found)

    def _refused(self, found: Calibration) -> None:
        assert found.refusal is not None
        verdicts = [doubt.verdict for doubt in found.doubts if doubt.fatal]
        budget = BUDGET_GOES if Verdict.UNRESOLVED in verdicts else ""
        refusal = f"{found.refusal[0].upper()}{found.refusal[1:]}{budget}"
        self._tell(", ".join(verdicts), refusal)

    def _tell(self, why: str, text: str) -> None:
        """A refusal, once for each reason, by the first process."""
        if why in self._told or rank() != 0:
            return
        self._told.add(why)
        left = round(self._state["spent"] / self.share - self._state["steps"])
        due = f"is due in {max(left, 1):,} steps"
        if self._by_fall is not None and self.law is not None:
            due = "waits for the sharpness to fall further"
        kept = "as it was" if self.law is None else f"that of C = {self.law.C:.3g}"
        warn(
            f"momentum stays {kept} ({self._momenta()}) at step {self._state['steps']}. {text} "
            f"The next calibration {due}; this reason is not told again"
        )

    def _caution(self, found: Calibration) -> None:
        """What the calibration cannot know: the optimizer, and its weight decay."""
        decay = max(float(g.get("weight_decay", 0.0)) for g in self.optimizer.param_groups)
        decayed = weight_decay_doubt(found, decay)
        for doubt in (what_is_doubtful(self.optimizer, found.law), decayed and str(decayed)):
            if doubt and self._state["found"] == 1 and rank() == 0:
                warn(doubt)

    # --- State -------------------------------------------------------------------------------

    @property
    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.optimizer.param_groups[0].setdefault(STATE, dict(NEW))
        return found

    def _keep(self, **changed: float) -> None:
        """Replace, never change in place: a checkpoint may hold what was there."""
        self.optimizer.param_groups[0][STATE] = {**self._state, **changed}

    def _after_load(self, optimizer: Optimizer) -> None:
        if self.law is None:  # the momenta as they were loaded
            for index, group in enumerate(optimizer.param_groups):
                self.coupling.set_law(index, self._kept(group))
        self._give_laws()

    def _give_laws(self) -> None:
        """The law, or the momentum as it is, to every group without it, as one that was added."""
        found = self.law
        for index, group in enumerate(self.optimizer.param_groups):
            law = self.coupling.law(index)
            if found is not None and law != found:
                self.coupling.set_law(index, found)
            elif found is None and (not isinstance(law, Unmeasured) or self.coupling.leaves(index)):
                self.coupling.set_law(index, self._kept(group))

    def _kept(self, group: Group) -> Unmeasured:
        """The momentum that a group has; one that was never written is the default's."""
        momentum = momentum_of(group)
        return unmeasured(momentum if momentum > 0 or self._ours else START)


def is_measured(optimizer: Optimizer) -> bool:
    """Whether the optimizer's law is being measured."""
    return measuring(optimizer) is not None


def measuring(optimizer: Optimizer) -> AutoMomentum | None:
    """What measures the optimizer's law, if something does."""
    hooks = optimizer._optimizer_step_pre_hooks.values()
    owners = (getattr(hook, "__self__", None) for hook in hooks)
    return next((owner for owner in owners if isinstance(owner, AutoMomentum)), None)


def auto_momentum(
    optimizer: Any,
    measure: Callable[[float], Calibration],
    *,
    share: float = SHARE,
    others: Others = "raise",
) -> AutoMomentum:
    """Let momentum follow a law whose prefactor is measured while training goes on. Experimental.

    ::

        auto_momentum(optimizer, Calibrator(model, loss_fn, loader))

    Until a calibration has found a law, the momentum stays as it is.

    Args:
        optimizer: One with ``momentum``, but for Muon, of which there is no law, as of Adam; or
            :class:`flatfast.torch.SGD`.
        measure: A :class:`flatfast.torch.Calibrator`, whose sharpness is read on the way and
            followed; or any function from learning rate to calibration, called by the clock.
        share: Gradient evaluations that measuring may take, as a share of the steps made. The
            first calibration is made before the first step, in advance, and with a calibrator the
            second too, when the sharpness has fallen.
        others: What to do where another hand writes the momentum, see
            :func:`flatfast.torch.couple`; that of :class:`flatfast.torch.SGD` is given there.

    Returns:
        What is in use, and :meth:`AutoMomentum.remove`.

    Raises:
        ValueError: If ``share`` is not in (0, 1), the optimizer's momentum must not change, or a
            group has a dampening or no law, as Adam.
        MomentumConflictError: If a scheduler cycles the momentum, or it follows a law already.
    """
    return AutoMomentum(optimizer, measure, share, others)
