"""Laws of a coupled optimizer at another batch."""

from dataclasses import dataclass, replace
from typing import Any

from flatfast.law import MomentumLaw
from flatfast.rescaling import Rescaled
from flatfast.torch.coupling import Coupling
from flatfast.torch.laws import Law
from flatfast.torch.rescaling.records import Asked, Record, Step
from flatfast.torch.rescaling.settings import Grouped


@dataclass(frozen=True)
class Laws:
    """The laws of a coupling, before and after.

    They are in no checkpoint, and so have a record apart from that of the groups.

    Attributes:
        coupling: The coupling.
        asked: What was asked for.
        k: Factor of the batch that is left for them; None where they stay.
        record: What is known of them afterwards.
        now: Those of the groups.
        new: Those to be.
    """

    coupling: Coupling
    asked: Asked
    k: float | None
    record: Record | None
    now: list[Law]
    new: list[Law]

    @classmethod
    def of(cls, coupling: Coupling, asked: Asked) -> "Laws":
        """Those of a coupling.

        Raises:
            ValueError: If the batch changes and a law is a function, whose dependence on the batch
                nobody knows; or if a group has none.
        """
        k, record = None, coupling.rescaled
        if asked.batch is not None:
            step, record = Asked(asked.batch, None, "law").left(coupling.rescaled)
            k = step.k
        now: list[Law] = []
        for index in range(len(coupling.optimizer.param_groups)):
            if (law := coupling.law(index)) is None:
                raise ValueError(
                    f"parameter group {index} was added after the coupling and has no law; give "
                    f"it one: coupling.set_law({index}, law)"
                )
            now.append(law)
        return cls(coupling, asked, k, record, now, [_at(law, k) for law in now])

    def step(self, step: Step) -> Step:
        """What is left of a group's own: its learning rate stays where none is asked for."""
        return step if step.k is None or step.lr is not None else Step(step.k, 1.0)

    def of_setting(self, each: Grouped, index: int, step: Step) -> Rescaled:
        """The new setting of a group, whose momentum is the law's at any learning rate."""
        new = self.asked.of_setting(each.at(self.now[index](each.setting.lr)), step)
        momentum = self.new[index](new.lr)
        if new.betas is None:
            return replace(new, momentum=momentum)
        return replace(new, betas=(momentum, *new.betas[1:]))

    def give(self) -> None:
        """Let the coupling follow the new ones."""
        if self.k is None:
            return
        common: Any = self.coupling.settings()["common"]
        for index, law in enumerate(self.new):
            self.coupling.set_law(index, law)
        common = None if common is None else _at(common, self.k)
        rescaled = {"common": common, "rescaled": self.record}
        self.coupling.take_over({**self.coupling.settings(), **rescaled})


def _at(law: Law, k: float | None) -> Law:
    """The law at a batch k times as large."""
    if k is None:
        return law
    if not isinstance(law, MomentumLaw):
        raise ValueError(
            f"law must be a MomentumLaw, of which the law at another batch is known, got {law!r}: "
            "end the coupling, and couple by the function for the new batch"
        )
    return law.for_batch(k)
