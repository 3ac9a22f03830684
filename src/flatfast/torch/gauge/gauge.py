"""What a training is doing: :class:`Gauge` reads an optimizer and changes nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from flatfast.arguments import as_number
from flatfast.calibration import Calibration
from flatfast.torch.auto import measuring
from flatfast.torch.gauge.curvature import Curvature
from flatfast.torch.gauge.history import Calibrated, History, Measured
from flatfast.torch.gauge.live import LivePage
from flatfast.torch.gauge.reading import GroupReading, Held, Used, held, used_now
from flatfast.torch.gauge.words import line, numbers, short
from flatfast.torch.wrappers import unwrapped

SHARE = 0.02
"""Gradient evaluations that curvature may take, as a share of the steps made."""

EVERY = 5.0
"""Seconds between two versions of a page, at least."""


class Gauge:
    """Reads what an optimizer, or several that train together, used at the last step.

    ::

        gauge = Gauge(optimizer)
        for batch in loader:
            ...
            optimizer.step()
            scheduler.step()
            if gauge.steps % 100 == 0:
                print(gauge)  # or wandb.log(gauge.readings())

    Any optimizer will do, coupled or not, compiled or not, whatever sets its learning rate.
    After each step the gauge keeps two references a parameter group, and looks at them when it is
    read. A tensor is read back from its device then, and has the value of then. Training is the
    same with a gauge and without, bit for bit, and so are its checkpoints.

    Attributes:
        steps: Calls of the first optimizer's ``step`` so far.
        curvature: What measures the largest curvature, if that is wanted.
        share: Gradient evaluations that it may take, as a share of the steps.
    """

    def __init__(
        self,
        optimizer: Any,
        *,
        curvature: Callable[[], Curvature] | None = None,
        share: float = SHARE,
    ) -> None:
        """Begin to read.

        Args:
            optimizer: Any optimizer, one that wraps another, or a list of optimizers.
            curvature: Measures the largest curvature, as :class:`LargestCurvature` does; called
                when the gauge is read and the share allows it, the first time in advance.
            share: Gradient evaluations that this may take, as a share of the steps made.

        Raises:
            TypeError: If there is no optimizer, or ``share`` is no number.
            ValueError: If the list is empty, an optimizer steps by several, or ``share`` is not in
                (0, 1).
        """
        self.share = as_number("share", share, "a number in (0, 1)")
        if not 0 < self.share < 1:
            raise ValueError(f"share must be in (0, 1), got {share}")
        several = optimizer if isinstance(optimizer, list | tuple) else [optimizer]
        if not several:
            raise ValueError("optimizer must be one, or a list of at least one, got none")
        self._optimizers: list[Optimizer] = [unwrapped(each) for each in several]
        self.curvature = curvature
        self.steps, self._spent = 0, 0
        self._used: list[list[Used] | None] = [None] * len(self._optimizers)
        self._history = History()
        self._page: LivePage | None = None
        self._hooks: list[Any] = [
            each.register_step_post_hook(self._hook(index))
            for index, each in enumerate(self._optimizers)
        ]

    # --- For the user ------------------------------------------------------------------------

    def readings(self, prefix: str = "") -> dict[str, float]:
        """Numbers for a log, by name; measures the curvature if that is due.

        ``lr``, ``momentum``, ``memory`` (steps), ``effective_step``, ``stability_limit`` and ``C``
        as :class:`~flatfast.torch.gauge.reading.GroupReading` has them; where parameter groups
        differ, ``/0``, ``/1``, ... follow the names. ``curvature``, ``curvature_step`` (when it
        was measured) and ``curvature_over_limit`` (of the group with the lowest limit), and
        ``C_calibrated``, ``C_low`` and ``C_high`` of the last calibration, once there are any.

        Args:
            prefix: Put before each name, as in ``"gauge/"``.
        """
        self._look()
        found = numbers(self.groups(), self._history)
        return {f"{prefix}{name}": value for name, value in found.items()}

    def groups(self) -> list[GroupReading]:
        """What each parameter group used at the last step, or would use at the first."""
        return [each.read() for each in self._held()]

    def postfix(self) -> dict[str, str]:
        """For tqdm: ``bar.set_postfix(gauge.postfix())``."""
        self._look()
        return short(self.groups(), self._history)

    def to_tensorboard(self, writer: Any, step: int | None = None, prefix: str = "gauge/") -> None:
        """Add every reading as a scalar.

        Args:
            writer: A ``SummaryWriter``, or whatever has its ``add_scalar``.
            step: Number of the step; by default the gauge's own count.
            prefix: Put before each name.
        """
        for name, value in self.readings(prefix).items():
            writer.add_scalar(name, value, self.steps if step is None else step)

    def to_wandb(self, run: Any, step: int | None = None, prefix: str = "gauge/") -> None:
        """Log the readings to Weights & Biases.

        Args:
            run: A run, the module ``wandb``, or whatever has their ``log``.
            step: Number of the step; left to the run if it is not given.
            prefix: Put before each name.
        """
        found = self.readings(prefix)
        run.log(found) if step is None else run.log(found, step=step)

    def calibrated(self, found: Calibration) -> None:
        """Tell of a calibration, to be shown with its interval.

        Those of ``C="auto"`` and :func:`flatfast.torch.auto_momentum` are found by themselves.
        """
        self._history.add_calibration(Calibrated.of(self.steps, found))

    def page(self, path: str | Path, *, every: float = EVERY, title: str = "training") -> None:
        """Keep a page of all readings over the steps, in one file that loads itself again.

        It is written at the end of a step, at most every ``every`` seconds and so seldom that it
        takes no more than a hundredth of the time; :meth:`close` writes it for the last time.
        Where several processes train together, the first writes it.

        Args:
            path: The file; its folder has to be there.
            every: Seconds between two versions, positive.
            title: What is trained.

        Raises:
            OSError: If it cannot be written, or as the curvature has it; later this is a warning,
                and the page is given up.
            TypeError: If ``every`` is no number.
            ValueError: If it is not positive.
        """
        every = as_number("every", every, "a positive number of seconds")
        if not every > 0:
            raise ValueError(f"every must be positive, got {every}")
        page = LivePage(Path(path), every, title, self._history)
        self._look()
        self._record()
        page.write(self.steps, running=True)
        self._page = page

    def close(self) -> None:
        """End: the page, if there is one, gets its last version; the optimizer is let go."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        page, self._page = self._page, None
        if page is not None:
            self._record()
            page.write(self.steps, running=False)  # nothing where it was given up

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint: how many steps were made, and what curvature has cost."""
        return {"steps": self.steps, "spent": self._spent}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Count on from a checkpoint."""
        self.steps, self._spent = int(state["steps"]), int(state["spent"])

    def __enter__(self) -> "Gauge":
        """The gauge, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __str__(self) -> str:
        """A line for a log."""
        self._look()
        return line(self.steps, self.groups(), self._history)

    def __repr__(self) -> str:
        names = ", ".join(type(each).__name__ for each in self._optimizers)
        return f"Gauge({names}, {self.steps} steps)"

    # --- At every step -----------------------------------------------------------------------

    def _hook(self, index: int) -> Callable[[Optimizer, Any, Any], None]:
        """What runs after a step; nearly nothing, for it runs after every one."""
        used, first, compiling = self._used, index == 0, torch.compiler.is_compiling

        def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if compiling():
                outside(optimizer)
                return
            used[index] = used_now(optimizer)
            if first:
                self.steps += 1
                if self._page is not None:
                    self._turn_page(self._page)

        # The compiler must not see what changes: it would guard its value.
        outside = torch.compiler.disable(lambda optimizer: after(optimizer, None, None))
        return after

    def _turn_page(self, page: LivePage) -> None:
        if self._history.wants(self.steps):
            self._record()
        if page.due():
            page.write_or_give_up(self.steps, self._look)

    def _record(self) -> None:
        self._history.add(self.steps, [each.kept() for each in self._held()])
        self._hear()

    def _held(self) -> list[Held]:
        return [
            each
            for optimizer, used in zip(self._optimizers, self._used, strict=True)
            for each in held(optimizer, used)
        ]

    def _hear(self) -> None:
        """Of calibrations that were made for the optimizers."""
        for optimizer in self._optimizers:
            auto = measuring(optimizer)
            if auto is not None and auto.last is not None:
                self._history.hear(self.steps, auto.last)

    def _look(self) -> None:
        self._hear()
        if self.curvature is None or self._spent > self.share * self.steps:
            return
        found = self.curvature()
        self._spent += found.evaluations
        self._history.add_curvature(Measured(self.steps, found))
