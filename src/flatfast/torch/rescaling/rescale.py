"""``flatfast.torch.rescale``: every group, schedule and average of an optimizer, or nothing."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from flatfast.rescaling import Rescaled
from flatfast.rescaling.choice import MEASURED
from flatfast.rescaling.rescale import OwnRule
from flatfast.torch.auto import is_measured
from flatfast.torch.coupling import Coupling, coupling_of
from flatfast.torch.groups import give_buffers
from flatfast.torch.rescaling.averages import averages_of, rescaled_average
from flatfast.torch.rescaling.cells import Cells
from flatfast.torch.rescaling.groups import RescaledGroups
from flatfast.torch.rescaling.laws import Laws
from flatfast.torch.rescaling.marks import mark, remembered
from flatfast.torch.rescaling.moves import FACTORS, Factors, Momentum, Moved
from flatfast.torch.rescaling.outer import Outer
from flatfast.torch.rescaling.records import DOUBTS, KEY, LOST, Asked, Record, Step, place, whole
from flatfast.torch.rescaling.schedules import (
    put_group,
    put_scheduler,
    schedulers_of,
    warn_of_unseen,
)
from flatfast.torch.rescaling.settings import Grouped, grouped, refuse_shared
from flatfast.torch.warned import warn
from flatfast.torch.wrappers import layers
from flatfast.torch.writers import MomentumConflictError


def rescale(
    optimizer: Any,
    *,
    batch: tuple[float, float] | None = None,
    lr: tuple[float, float] | None = None,
    rule: str | OwnRule = MEASURED,
    schedulers: LRScheduler | Iterable[LRScheduler] = (),
    averaged: AveragedModel | Iterable[AveragedModel] = (),
) -> RescaledGroups:
    """Carry a tuned optimizer to another batch, or another learning rate.

    ::

        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)  # tuned at 256
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1000)
        flatfast.torch.rescale(optimizer, batch=(256, 1024))  # lr 0.4, momentum 0.9

    Every parameter group goes through the rule (:func:`flatfast.rescale` explains them, and
    ``flatfast.rules()`` lists them), whatever holds its numbers. Schedules go on from it: what they
    multiply is rescaled, and their least and greatest learning rates and cycled momenta with it,
    not the value of the moment alone. They are found by themselves. Lengths that are counted in
    steps (of schedules, of ``total_steps``) stay as they are, and so does the optimizer's state. A
    CUDA graph that was captured before has only seen what was in tensors: capture it again.

    Whatever was rescaled keeps a record, which its checkpoint has too: the same call again does
    nothing, after a checkpoint it does what is missing, and from ``batch=(256, 1024)`` one may go
    on by ``(256, 4096)`` or ``(1024, 4096)``. Load a checkpoint first, then rescale; the other way
    round, a checkpoint of the tuned batch brings its own numbers back, with a warning. Only
    ``torch.distributed.checkpoint``, which loads what it finds in the optimizer, leaves the record
    out where there is none and no schedule has one: rescale before it, and after.

    The momentum of a coupled optimizer is its law's (:func:`flatfast.torch.couple`,
    :class:`flatfast.torch.SGD`): the law becomes that of the new batch,
    :meth:`flatfast.MomentumLaw.for_batch`, and follows any learning rate from there; no other rule
    than "law" can then be named.

    Args:
        optimizer: SGD, RMSprop, the Adam family or Muon; also inside of wrappers.
        batch: Examples in a step before and after, all devices and accumulated batches together.
        lr: The learning rate before and after: its ratio is asked of every group. Without it the
            rule sets the learning rate, or leaves it.
        rule: A name of :func:`flatfast.rules`, or a function, see :func:`flatfast.rescale`.
        schedulers: Schedulers that are wrapped in others than PyTorch's, or were made before
            ``gc.freeze()``, to be found surely.
        averaged: Averages of the weights, whose decays are to remember as many samples; one of
            equal weights remembers all of them, and stays.

    Returns:
        The setting of each group, a tuple, with what the rule says of it; printed, it tells what
        changed. Its ``lr`` is that of the schedule's base where there is a schedule.

    Raises:
        TypeError: If a value is no number, ``batch`` or ``lr`` no pair, or something else is of
            another kind.
        ValueError: If a number is out of its range, no rule is known for the optimizer or no rule
            has this name, groups share parameters, or an earlier rescaling does not fit. Nothing is
            written then.
        MomentumConflictError: If something else writes the momentum: a coupling, by another rule
            than "law", or a law that is being measured.

    Warns:
        UserWarning: If the rule cannot keep here what it promises, once, with the reasons; if a
            group has an ``initial_lr`` and no scheduler is found; when a checkpoint is loaded later
            that was made at another batch.
    """
    asked = Asked.of(batch, lr, rule)
    stack = layers(optimizer)
    own: Optimizer = stack[-1]
    refuse_shared(own.param_groups)
    outer = Outer(stack[:-1], own.param_groups)
    coupling = _coupling(own, asked)
    if coupling is not None:
        asked = replace(asked, rule="law")
    laws = Laws.of(coupling, asked) if coupling is not None else None
    schedules = schedulers_of(stack, schedulers)
    cells, found, moved = Cells(), [], []
    for index, group in enumerate(own.param_groups):
        each = grouped(own, index, group)
        done = group.get(KEY) or remembered(schedules, index, group, laws is not None)
        step, record = asked.left(done)
        if laws is None:
            new = asked.of_setting(each.setting, step)
        else:
            step = laws.step(step)
            new = laws.of_setting(each, index, step)
        moved.append(_moved(each, asked, step, record, new, done or {}, laws is not None))
        new = replace(new, doubts=moved[-1].doubts)
        found.append(new)
        if step.moves:
            each.put(new, cells, momentum=laws is None)
            put_group(moved[-1], cells)
        cells.put(group, KEY, moved[-1].kept)
    for scheduler in schedules:
        put_scheduler(scheduler, moved, cells)
    outer.put(moved, cells)
    averages = [rescaled_average(average, asked) for average in averages_of(averaged)]
    cells.write()
    outer.follow()
    for scheduler in schedules:
        mark(scheduler, moved)
    for replace_decay in averages:
        if replace_decay is not None:
            replace_decay()
    if laws is not None:
        laws.give()
    if any(new.momentum for new in found):
        give_buffers(own)
    _watch(own)
    if any(each.moves for each in moved):
        warn_of_unseen(own.param_groups, schedules)
    _warn(found, moved)
    return RescaledGroups(found)


def _moved(
    each: Grouped,
    asked: Asked,
    step: Step,
    record: Record,
    new: Rescaled,
    done: Record,
    coupled: bool,
) -> Moved:
    """What schedulers have to know of a group, and what is to be said of it."""

    def carry(step: Step) -> Momentum:
        return lambda momentum: asked.of_setting(each.at(momentum), step).first or 0.0

    def factor(momentum: Any) -> float:
        if not step.moves:
            return 1.0
        ends = new if momentum is None else asked.of_setting(each.at(float(momentum)), step)
        return ends.lr / each.setting.lr

    group = each.group
    factors = Factors(
        factor(None), factor(group.get("max_momentum")), factor(group.get("base_momentum"))
    )
    return Moved(
        group,
        factors,
        Factors(*done.get(FACTORS, Factors())).times(factors),
        carry(step),
        carry(whole(record)),
        _doubts(each, asked, step, record, new, done),
        bool(done.get(LOST)) or not (coupled or asked.returns(each.setting, new, step)),
        record,
        step.moves,
        coupled,
    )


def _doubts(
    each: Grouped, asked: Asked, step: Step, record: Record, new: Rescaled, done: Record
) -> tuple[str, ...]:
    """Those of now, or, where nothing is done, of the call that did it."""
    if not step.moves:
        return tuple(done.get(DOUBTS, "").splitlines())
    doubts = [*each.told(new).doubts, *asked.doubts(each.setting, record)]
    if done.get(LOST):
        doubts.append(
            "an earlier rescaling could not keep what its rule promised, and this one goes on from "
            "where it ended: begin with the tuned values"
        )
    return tuple(doubts)


def _coupling(own: Optimizer, asked: Asked) -> Coupling | None:
    """The optimizer's coupling, if it has one.

    Raises:
        MomentumConflictError: If the momentum follows something that the rule does not know.
    """
    name = type(own).__name__
    if is_measured(own):
        raise MomentumConflictError(
            f"the law of this {name} is being measured, and will be at another batch too: change "
            "the batch and the learning rate yourself, or end it by auto.remove()"
        )
    coupling = coupling_of(own)
    if coupling is not None and asked.rule not in ("law", MEASURED):
        raise MomentumConflictError(
            f"the momentum of this {name} follows its learning rate by a law, so the rule must be "
            f"'law', got {asked.rule_name!r}; coupling.remove() ends the coupling"
        )
    return coupling


def _watch(own: Optimizer) -> None:
    """Warn where a checkpoint brings numbers of another batch, once the optimizer is rescaled."""
    if _warn_of_loaded not in own._optimizer_load_state_dict_post_hooks.values():
        own.register_load_state_dict_post_hook(_warn_of_loaded)
    if _warn_of_another not in own._optimizer_load_state_dict_pre_hooks.values():
        own.register_load_state_dict_pre_hook(_warn_of_another)


def _warn_of_another(own: Optimizer, state: dict[str, Any]) -> None:
    """Of a checkpoint that was rescaled too, to something else."""
    for group, loaded in zip(own.param_groups, state["param_groups"], strict=False):
        here, there = place(group.get(KEY) or {}), place(loaded.get(KEY) or {})
        if here and there and here != there:
            warn(
                f"this {type(own).__name__} was rescaled to {here}, and then a checkpoint was "
                f"loaded that was rescaled to {there}, which holds now: rescale again, now that it "
                "is loaded"
            )
            return


def _warn_of_loaded(own: Optimizer) -> None:
    if all(KEY in group for group in own.param_groups):
        return
    warn(
        f"this {type(own).__name__} was rescaled, and then a checkpoint without a record of that "
        "was loaded, with its own learning rates and momenta. If it was made at the tuned batch, "
        "rescale again, now that it is loaded"
    )


def _warn(found: list[Rescaled], moved: list[Moved]) -> None:
    doubts = {
        doubt: None
        for new, each in zip(found, moved, strict=True)
        if each.moves
        for doubt in new.doubts
    }
    if doubts:
        warn(f"rescaled by the rule {found[0].rule}, with doubts: {'; '.join(doubts)}")
