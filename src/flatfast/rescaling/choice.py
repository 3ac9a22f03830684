"""The rule that measurement supports, where none is named: docs/rescale.md has the table."""

from flatfast.rescaling.change import Change
from flatfast.rescaling.setting import Setting

MEASURED = "measured"
"""In place of a rule's name: the one that served best where it was tried."""

FARTHEST = 4.0
"""Factor of the batch, or of the learning rate, up or down, up to which what is chosen served."""


def chosen_rule(setting: Setting, change: Change) -> str:
    """Name of the rule that served best for this kind of optimizer and change.

    SGD kept its effective step per example: by the learning rate where the batch changes, by
    momentum where the learning rate is given. Optimizers whose step has a length of its own
    multiply the learning rate by the root of the batch's factor, and leave betas as they are.
    """
    if setting.adaptive:
        return "square-root" if change.lr is None else "ema"
    if change.lr is None:
        return "linear"
    if setting.momentum is None:
        return "ema"
    return "effective-step" if change.batch == 1 else "noise-scale"


def doubts_of_choice(setting: Setting, k: float, lr: float | None) -> list[str]:
    """What was not measured of the chosen rule, is not known of it, or was measured to fail.

    Args:
        setting: What was tuned.
        k: Factor of the batch since it was tuned.
        lr: Factor of the learning rate, if one was asked for.
    """
    return doubts_of_kind(setting, k, lr) + doubts_of_size(k, lr)


def doubts_of_kind(setting: Setting, k: float, lr: float | None) -> list[str]:
    """Those that this kind of optimizer has, at a change of any size; arguments as above."""
    if k == 1 and lr is None:
        return []
    if setting.convention == "scale-free":
        return ["for Muon and its like no rule that was measured spared tuning again"]
    if setting.alpha is not None:
        return ["this was measured for Adam, and not for RMSprop"]
    if setting.adaptive or lr is not None:
        return []
    doubts = []
    if setting.first is None and k != 1:
        doubts.append(
            "with neither momentum nor betas this is taken for SGD's; momentum=0 says so, and "
            "Adam's betas, or the name of a rule, say otherwise"
        )
    if k > 1:
        doubts.append(
            "SGD at a larger batch: linear fails where the tuned learning rate is near its limit "
            "of stability; there the rule noise-scale, which raises momentum instead, may serve"
        )
    return doubts


def doubts_of_size(k: float, lr: float | None) -> list[str]:
    """Those that any kind of optimizer has at a change of this size; arguments as above."""
    if k != 1 and lr is not None:
        return [
            "a batch and a learning rate that are given together were not measured: tune again if "
            "you can"
        ]
    doubts = []
    if not _near(k):
        doubts.append(
            f"at a batch {k:.4g} times as large no rule that was measured spared tuning again; up "
            f"to {FARTHEST:g} times, up or down, one did in most cases: tune again if you can"
        )
    if lr is not None and not _near(lr):
        doubts.append(
            f"a learning rate {lr:.4g} times as large was not measured; up to {FARTHEST:g} times, "
            "up or down, this served: tune again if you can"
        )
    return doubts


def _near(factor: float) -> bool:
    return FARTHEST * min(factor, 1 / factor) >= 1 - ROUNDING


ROUNDING = 1e-9
"""Of a factor, which may be a quotient of two numbers."""
