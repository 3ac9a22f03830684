"""What the callbacks of Lightning and Transformers share: couple at the start, read for the log."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from torch import nn

from flatfast.calibration import Calibration
from flatfast.torch.coupled import couple
from flatfast.torch.coupling import Coupling, coupling_of
from flatfast.torch.gauge import Gauge
from flatfast.torch.groups import scheduled_lr
from flatfast.torch.laws import Law, law_of, why_none
from flatfast.torch.modes import modes_kept
from flatfast.torch.others import Others, checked_others
from flatfast.torch.processes import agreed
from flatfast.torch.wrappers import unwrapped

Calibrator: TypeAlias = Callable[[nn.Module, Any, float], Calibration]
"""``(model, training data, lr) -> calibration``: :func:`flatfast.torch.calibrate` with a loss."""

LOGGED = ("lr", "momentum", "effective_step")
"""Readings of the gauge that the callbacks log."""


@contextlib.contextmanager
def training(model: nn.Module) -> Iterator[None]:
    """The model in training mode, if it is not; then all parts as they were."""
    with modes_kept(model.modules()):
        if not model.training:
            model.train()
        yield


class Follower:
    """Couplings of all optimizers of a training, from its start to its end.

    Attributes:
        law: From learning rate to momentum; None where the optimizers follow one by themselves, or
            where one has yet to be calibrated.
        until_end: Whether the memory is kept within the steps that remain.
        calibrate: Finds the law when training starts.
        others: What is done where another hand writes a momentum.
        page: Where a page of the training is kept, see :meth:`flatfast.torch.Gauge.page`.
        C: The prefactor that it found, of the last training.
    """

    def __init__(
        self,
        C: float | Calibration | None = None,
        law: Law | None = None,
        until_end: bool = False,
        calibrate: Calibrator | None = None,
        others: Others = "raise",
        page: str | Path | None = None,
    ) -> None:
        """Not coupled yet.

        Raises:
            ValueError: If more than one of ``C``, ``law`` and ``calibrate`` is given, or ``C`` is
                not positive, or ``others`` is another word.
            CalibrationError: If ``C`` is a calibration that found no law.
        """
        if sum(way is not None for way in (C, law, calibrate)) > 1:
            raise ValueError("give one of C, law and calibrate")
        self.law = law_of(C) if C is not None else law
        self.until_end = until_end
        self.calibrate = calibrate
        self.others, self.page = checked_others(others), page
        self.C: float | None = None
        self._kept: float | None = None
        self._ours: list[Coupling] = []
        self._gauge: Gauge | None = None

    def resume(self, C: float | None) -> None:
        """The next training goes on from a checkpoint, which has kept this prefactor."""
        self.C = self._kept = C

    def start(
        self, optimizers: Iterable[Any], total_steps: int, model: nn.Module, data: Any
    ) -> None:
        """Couple these optimizers; those that couple themselves are only read.

        Args:
            optimizers: All of them.
            total_steps: Length of the training.
            model: What is trained, for a calibration; one that a checkpoint has kept stays.
            data: Its training data.

        Raises:
            ValueError: If there is no law and an optimizer does not follow one by itself, or if
                it is one that has none, as Adam, and no function of the user's own is given.
            MomentumConflictError: If something else writes a momentum.
            CalibrationError: If there is no law to be had; says why.
            OSError: If the page cannot be written.
        """
        self.end()
        wanted, found = list(optimizers), None
        if self.calibrate is not None:
            _refuse_those_without_law(wanted)  # before gradients are spent on it
            # What an earlier training has found was for its model and learning rate.
            self.C, self._kept = self._kept, None
            if self.C is None:
                lr = scheduled_lr(unwrapped(wanted[0]))
                with training(model):  # a trainer may switch only later
                    found = agreed(self.calibrate(model, data, lr))
                self.C = found.law.C
            self.law = law_of(self.C)
        try:
            self._couple(wanted, max(total_steps, 1) if self.until_end else None)
            self._gauge = Gauge(wanted)
            if found is not None:
                self._gauge.calibrated(found)
            if self.page is not None:
                self._gauge.page(self.page)
        except Exception:
            self.end()  # all of them or none
            raise

    def _couple(self, optimizers: list[Any], total_steps: int | None) -> None:
        for optimizer in optimizers:
            if self.law is None:
                own = unwrapped(optimizer)
                if coupling_of(own) is None:
                    raise ValueError(f"give C or law: {type(own).__name__} follows none by itself")
            else:
                coupling = couple(optimizer, self.law, total_steps=total_steps, others=self.others)
                self._ours.append(coupling)

    def end(self) -> None:
        """Uncouple what was coupled here; a page gets its last version."""
        gauge, self._gauge = self._gauge, None
        if gauge is not None:
            gauge.close()
        for coupling in self._ours:
            coupling.remove()
        self._ours = []

    def readings(self) -> dict[str, float]:
        """Learning rate, momentum and effective step of the last step, by name.

        Where parameter groups differ in them, ``/0``, ``/1``, ... follow the names.
        """
        if self._gauge is None:
            return {}
        found = self._gauge.readings()
        return {name: value for name, value in found.items() if name.split("/")[0] in LOGGED}


def _refuse_those_without_law(optimizers: list[Any]) -> None:
    for own in map(unwrapped, optimizers):
        for group in own.param_groups:
            if why := why_none(own, group):
                raise ValueError(why)


class Following:
    """What the callbacks take; a base beside the framework's own.

    ::

        class CoupledMomentum(Following, Callback): ...
    """

    def __init__(
        self,
        C: float | Calibration | None = None,
        *,
        law: Law | None = None,
        until_end: bool = False,
        calibrate: Calibrator | None = None,
        others: Others = "raise",
        page: str | Path | None = None,
    ) -> None:
        """The law to follow.

        Args:
            C: Prefactor of the 2/3 law, or the calibration that found it.
            law: Another law; for Adam and its like, of which there is none, a function of your own.
            until_end: Keep the momentum's memory within the steps that remain, see
                :func:`flatfast.torch.couple`.
            calibrate: ``(model, training data, lr) -> Calibration``, called when training starts
                with the first group's learning rate; a checkpoint keeps what it found.
            others: What to do where another hand writes a momentum, see
                :func:`flatfast.torch.couple`.
            page: A file in which a page of the training is kept, see
                :meth:`flatfast.torch.Gauge.page`.

        Raises:
            ValueError: If more than one of ``C``, ``law`` and ``calibrate`` is given, ``C`` is not
                positive, or ``others`` is another word.
        """
        self._follower = Follower(C, law, until_end, calibrate, others, page)
