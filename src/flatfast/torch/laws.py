"""Laws that a coupling can follow: the project's, a calibration's, and the user's own.

And where only the user's own can be followed, since there is no law.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from flatfast.arguments import as_number
from flatfast.calibration import Calibration
from flatfast.law import ORDER, MomentumLaw
from flatfast.torch.groups import Group, is_average, is_muon

Law = Callable[[float], float]
"""Learning rate to momentum; a :class:`flatfast.law.MomentumLaw` is one."""


def law_of(C: float | Calibration) -> MomentumLaw:
    """The 2/3 law with this prefactor, or with the one that a calibration found.

    Raises:
        TypeError: If ``C`` is neither.
        ValueError: If ``C`` is not positive.
        CalibrationError: If the calibration found none; says why.
    """
    if isinstance(C, Calibration):
        return C.law
    return MomentumLaw(as_number("C", C, "a positive number or a calibration"))


def one_for_each(law: Law | Calibration | Sequence[Law], groups: int) -> list[Law]:
    """A law for each parameter group.

    Raises:
        TypeError: If one cannot be called.
        ValueError: If laws and groups differ in number.
        CalibrationError: If a calibration found none; says why.
    """
    if isinstance(law, Calibration):
        law = law.law
    laws = [*law] if isinstance(law, Sequence) else [law] * groups
    if len(laws) != groups:
        raise ValueError(
            f"law must be one law, or one for each of {groups} groups, got {len(laws)}"
        )
    return [checked(each) for each in laws]


def checked(law: Any) -> Law:
    """The law.

    Raises:
        TypeError: If it cannot be called, or is a class and so gives no momentum.
    """
    if not callable(law) or isinstance(law, type):
        given = repr(law)
        if isinstance(law, type):
            given = f"the class {law.__name__}: give one that is made, {law.__name__}(...)"
        raise TypeError(
            f"law must give the momentum at a learning rate, like MomentumLaw(C=0.2), got {given}"
        )
    found: Law = law
    return found


def in_group(law: Law | None, dampened: bool | None) -> Law | None:
    """The law for the learning rates of a group.

    Args:
        law: For another convention, perhaps.
        dampened: Whether the group's momentum averages gradients, by a dampening that equals it;
            None where it is not SGD's, and the law is taken as it is.
    """
    if dampened is None or not isinstance(law, MomentumLaw):
        return law
    return law.in_convention("normalized" if dampened else "heavy-ball")


def why_none(optimizer: Optimizer, group: Group) -> str | None:
    """Why there is no law of a group's momentum, and what to do instead; None where there is one.

    There is none where the momentum weighs an average of gradients whose step is not linear in
    them: preconditioned as by Adam and its family, signed as by Lion, made orthogonal as by Muon.
    Measured was Adam; of the others nobody knows a law.
    """
    if not is_average(optimizer, group):
        return None
    name = type(optimizer).__name__
    if is_muon(optimizer) and "momentum" in group:
        return (
            f"{name} has no law of momentum to follow: it weighs an average of gradients, of which "
            "the step takes the direction alone; the law is SGD's, and for Adam, the nearest that "
            "was measured, there is no best value at a learning rate but a plateau with an edge "
            "(docs/adam.md). Leave momentum as it is; no rule was found that spares tuning again "
            "where batch, devices or learning rate change (docs/choose.md). A function of your "
            "own, from learning rate to momentum, is followed"
        )
    return (
        f"{name} has no law of beta1 to follow: it weighs an average of gradients that is then "
        "preconditioned or signed, and for Adam, which was measured, there is no best beta1 at a "
        "learning rate but a plateau with an edge (docs/adam.md). Leave beta1 as it is; where "
        "batch, devices or learning rate change, use flatfast.torch.rescale. A function of your "
        "own, from learning rate to beta1, is followed"
    )


def refuse_where_none(optimizer: Optimizer, group: Group, law: Law | None) -> None:
    """Refuse the project's law for a group that has none; a function of the user's own is followed.

    Raises:
        ValueError: If the law is a :class:`flatfast.law.MomentumLaw`, see :func:`why_none`.
    """
    if isinstance(law, MomentumLaw) and (why := why_none(optimizer, group)):
        raise ValueError(why)


def momentum_by(law: Law, lr: float) -> float:
    """The law's momentum at a learning rate.

    Raises:
        TypeError: If it gives no number.
        ValueError: If it leaves [0, 1).
    """
    given: Any = law(lr)
    if isinstance(given, str) or not hasattr(given, "__float__"):
        raise TypeError(f"the law must give a number, got {given!r} at learning rate {lr:g}")
    if not 0 <= (momentum := float(given)) < 1:
        raise ValueError(
            f"the law gives momentum {momentum:g} at learning rate {lr:g}, and momentum must be in "
            "[0, 1); let the law keep to a floor and a ceiling, as MomentumLaw does"
        )
    return momentum


def momentum_on_device(law: Law | None, lr: Tensor) -> Tensor:
    """The momentum at a learning rate that is a tensor, without reading it back.

    Raises:
        TypeError: If the law is no :class:`flatfast.law.MomentumLaw`, whose formula can be
            evaluated on the device.
    """
    if not isinstance(law, MomentumLaw):
        raise TypeError(
            f"a learning rate on an accelerator needs a MomentumLaw, got {type(law).__name__}"
        )
    mu = law.factor * lr**law.exponent
    if law.correction:
        mu = mu * (law.correction * lr**ORDER).exp()
    return (1 - mu).clamp(law.min_momentum, law.max_momentum)
