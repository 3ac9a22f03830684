"""What the callbacks of Lightning and Transformers share: couple at the start, read for the log."""

from collections.abc import Iterable
from typing import Any

from flatfast.law import MomentumLaw
from flatfast.torch.coupling import Coupling, Law, couple
from flatfast.torch.groups import unwrapped


class Follower:
    """Couplings of all optimizers of a training, from its start to its end.

    Attributes:
        law: From learning rate to momentum; None where the optimizers follow one by themselves.
        until_end: Whether the memory is kept within the steps that remain.
    """

    def __init__(
        self, C: float | None = None, law: Law | None = None, until_end: bool = False
    ) -> None:
        """Not coupled yet.

        Raises:
            ValueError: If both ``C`` and ``law`` are given, or ``C`` is not positive.
        """
        if C is not None and law is not None:
            raise ValueError("give either C, the law's prefactor, or law")
        self.law = MomentumLaw(C) if C is not None else law
        self.until_end = until_end
        self._ours: list[Coupling] = []
        self._all: list[Coupling] = []

    def start(self, optimizers: Iterable[Any], total_steps: int) -> None:
        """Couple these optimizers; those that couple themselves are only read.

        Raises:
            ValueError: If there is no law and an optimizer does not follow one by itself.
            MomentumConflictError: If something else writes a momentum.
        """
        self.end()
        for wrapped in optimizers:
            optimizer = unwrapped(wrapped)
            own = getattr(optimizer, "coupling", None)
            if self.law is None:
                if not isinstance(own, Coupling):
                    raise ValueError(
                        f"give C or law: {type(optimizer).__name__} follows none by itself"
                    )
                self._all.append(own)
            else:
                steps = max(total_steps, 1) if self.until_end else None
                coupling = couple(optimizer, self.law, total_steps=steps)
                self._ours.append(coupling)
                self._all.append(coupling)

    def end(self) -> None:
        """Uncouple what was coupled here."""
        for coupling in self._ours:
            coupling.remove()
        self._ours, self._all = [], []

    def readings(self) -> dict[str, float]:
        """Learning rate, momentum and effective step of the last step, by name.

        Where parameter groups differ in them, ``/0``, ``/1``, ... follow the names.
        """
        groups = [group for coupling in self._all for group in coupling.groups()]
        if all(group == groups[0] for group in groups):
            groups = groups[:1]
        found = {}
        for index, group in enumerate(groups):
            suffix = f"/{index}" if len(groups) > 1 else ""
            found[f"lr{suffix}"] = group.lr
            found[f"momentum{suffix}"] = group.momentum
            found[f"effective_step{suffix}"] = group.effective_step
        return found
