"""``couple(optimizer, law)``."""

from collections.abc import Sequence
from typing import Any, overload

from flatfast.calibration import Calibration
from flatfast.torch.auto import AutoMomentum, auto_momentum
from flatfast.torch.calibrator import Calibrator
from flatfast.torch.coupling import Coupling
from flatfast.torch.laws import Law
from flatfast.torch.others import Others
from flatfast.torch.warned import warn
from flatfast.torch.writers import what_is_doubtful


@overload
def couple(
    optimizer: Any, law: Calibrator, *, total_steps: None = None, others: Others = "raise"
) -> AutoMomentum: ...


@overload
def couple(
    optimizer: Any,
    law: Law | Calibration | Sequence[Law],
    *,
    total_steps: int | None = None,
    others: Others = "raise",
) -> Coupling: ...


def couple(
    optimizer: Any,
    law: Law | Calibration | Calibrator | Sequence[Law],
    *,
    total_steps: int | None = None,
    others: Others = "raise",
) -> Coupling | AutoMomentum:
    """Let the momentum of every parameter group follow its learning rate.

    ::

        optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9)
        couple(optimizer, MomentumLaw.from_reference(0.1, 0.9))

    What momentum means is the optimizer's: SGD with a dampening that equals its momentum averages
    gradients where SGD without sums them, and the law, whose C is the same, is then
    ``1 - momentum = C**3 * lr**2``. Dampening is written with the momentum, and is not to be
    changed otherwise. The coupling's text says which it is. (At one learning rate less momentum
    than the law's is then faster, as long as it is stable: docs/theory.md.)

    From then on every step uses the law's momentum at the learning rate of that moment, whatever
    scheduler or hand sets it. Where the law gives 0 (learning rates above ``C^(-3/2)``) the steps
    are those of plain SGD, and the first of them warns.

    At the ends of a schedule the learning rate goes to 0 and the law's momentum to 1. It stops at
    the law's ``max_momentum`` (by default a memory of 2,000 steps). With ``total_steps`` it also
    never remembers longer than the training still lasts: the last steps then spend the velocity
    rather than keep it.

    Args:
        optimizer: Any optimizer with ``momentum`` (SGD, RMSprop). Of the Adam family, Lion and
            Muon there is no law (docs/adam.md): their first beta, or momentum, follows a function
            of the user's own alone, with a warning. One that wraps another, as for sharpness-aware
            minimisation, is coupled through the one that it wraps.
        law: From learning rate to momentum, for all groups, or a sequence of one for each; or the
            calibration that found it; or a :class:`flatfast.torch.Calibrator`, which measures it
            while training goes on, as :func:`flatfast.torch.auto_momentum` has it. A
            :class:`flatfast.MomentumLaw` is put into the convention of SGD's momentum; any other
            function, the user's own, is asked at the learning rate as it stands.
        total_steps: Length of the training in steps. The steps made are counted in the parameter
            groups (``coupled_steps``), and so survive a checkpoint. A call that moves other
            parameters than the last, as where the state is sharded, belongs to the same step.
        others: What to do where another hand writes the momentum, as a warm-up or a scheduler that
            cycles it: ``raise``; ``yield``, where its momentum stands until it has kept still for
            as many steps as that remembers, at least ten, and twice as many each time it comes
            back; or ``override``, where the law writes last, and says so once.

    Returns:
        The coupling: what is in use, and how to end it; with a calibrator, what measures.

    Raises:
        TypeError: If there is no optimizer, the law cannot be called or is a calibrator in a
            sequence, or ``total_steps`` is no whole number.
        ValueError: If a group has no momentum or a dampening between 0 and it, or no law but a
            function of the user's own (Adam and its like); or if laws and groups differ in number,
            ``total_steps`` is below 1 or given with a calibrator, ``others`` is another word, or
            the optimizer's momentum must not change.
        CalibrationError: If the calibration found no law; says why.
        MomentumConflictError: With ``others="raise"``: if a scheduler cycles the momentum; at the
            first step after, if something else has written it. Always, at a step, if something else
            has changed the dampening.
    """
    if isinstance(law, Calibrator):
        if total_steps is not None:
            raise ValueError(
                "total_steps must be left out with a Calibrator, whose law has no end to look to, "
                f"got {total_steps}"
            )
        return auto_momentum(optimizer, law, others=others)
    if isinstance(law, Sequence) and any(isinstance(each, Calibrator) for each in law):
        raise TypeError(
            "a Calibrator measures one law for all groups: give it as it is, got it in a "
            f"{type(law).__name__}"
        )
    coupling = Coupling(optimizer, law, total_steps, others=others)
    if doubt := what_is_doubtful(coupling.optimizer, coupling.law(0)):
        warn(doubt)
    return coupling
