"""The rules by name, each with what it keeps and where it comes from.

Notation: the batch grows by a factor k, and PyTorch's heavy ball makes the steps,
``p <- m p + g; w <- w - lr p``. Where an optimizer averages gradients rather than sum them, its
learning rate is ``lr / (1 - m)`` of these formulas.
"""

import math
from collections.abc import Callable

from flatfast.law import GAMMA
from flatfast.rescaling.change import Change
from flatfast.rescaling.rule import Asked, Rule
from flatfast.rescaling.setting import Setting

BATCH_POWER = -1 / 3
"""Power of the batch in the law: label noise of variance 1/k lowers C by the cube root of k."""


def rules() -> tuple[Rule, ...]:
    """All rules that :func:`flatfast.rescale` knows by name, those of SGD first."""
    return tuple(RULES.values())


def kept_decay(decay: float, k: float) -> float:
    """The decay whose memory is as many samples at a batch k times as large: ``decay**k``.

    To first order ``1 - k (1 - decay)``, the usual formula, which goes negative where this does
    not.
    """
    return float(decay**k)


def complement_of(decay: float, k: float) -> float:
    """``1 - decay**k``, without the cancellation."""
    return -math.expm1(k * math.log(decay)) if decay > 0 else 1.0


def _linear(setting: Setting, change: Change) -> Asked:
    return Asked(change.batch * setting.lr)


def _path(setting: Setting, change: Change) -> Asked:
    """The displacement per sample follows the same equation: its friction, drift and noise."""
    new = complement_of(setting.first or 0.0, change.batch)
    gain = 1.0 if setting.averages else new / setting.complement
    return Asked(change.batch * gain * setting.lr, new)


def _balance(lr_power: float, batch_power: float) -> Callable[[Setting, Change], Asked]:
    """Rules of the form ``1 - m' = (1 - m) * (lr'/lr)**a * k**b``, at any learning rate."""

    def ask(setting: Setting, change: Change) -> Asked:
        k = change.batch**batch_power
        if not setting.averages:
            lr = setting.lr if change.lr is None else change.lr
            return Asked(lr, setting.complement * (lr / setting.lr) ** lr_power * k)
        if change.lr is None:  # that of the sum stays: this one is divided by the complement
            return Asked(setting.lr / k, setting.complement * k)
        # The learning rate of the sum is lr (1 - m), so 1 - m is on both sides.
        if lr_power == 1:  # and cancels: no momentum changes what is to be kept
            return Asked(change.lr, setting.complement)
        factor = (change.lr / setting.lr) ** lr_power * k
        return Asked(change.lr, setting.complement * factor ** (1 / (1 - lr_power)))

    return ask


def _adam_sde(setting: Setting, change: Change) -> Asked:
    k = change.batch
    new = None if setting.first is None else complement_of(setting.first, k)
    gain = 1.0 if setting.averages or new is None else new / setting.complement
    return Asked(math.sqrt(k) * gain * setting.lr, new, squares=k, eps=1 / math.sqrt(k))


def _square_root(setting: Setting, change: Change) -> Asked:
    return Asked(math.sqrt(change.batch) * setting.lr)


def _half_life(setting: Setting, change: Change) -> Asked:
    return Asked(setting.lr if change.lr is None else change.lr, squares=change.batch)


def _nothing(setting: Setting, change: Change) -> Asked:
    return Asked(setting.lr if change.lr is None else change.lr)


def _per_sample(setting: Setting, batch: float) -> dict[str, float]:
    return {"effective step per sample": setting.effective_step / batch}


def _path_kept(setting: Setting, batch: float) -> dict[str, float]:
    return _per_sample(setting, batch) | _memory("memory in samples", setting.first, batch)


def _sum_lr(setting: Setting) -> float:
    """Learning rate of the optimizer that makes the same steps of a sum of gradients."""
    return setting.effective_step * setting.complement


def _law_kept(setting: Setting, batch: float) -> dict[str, float]:
    balance = setting.complement / (_sum_lr(setting) ** GAMMA * batch**BATCH_POWER)
    return {"balance of the two times": balance}


def _damping(setting: Setting, batch: float) -> dict[str, float]:
    return {"damping of each mode": setting.complement / math.sqrt(_sum_lr(setting))}


def _step(setting: Setting, batch: float) -> dict[str, float]:
    return {"effective step": setting.effective_step}


def _per_root(setting: Setting, batch: float) -> dict[str, float]:
    return {"effective step per root of the batch": setting.effective_step / math.sqrt(batch)}


def _adam_kept(setting: Setting, batch: float) -> dict[str, float]:
    found = _per_root(setting, batch)
    if setting.eps:
        found["eps against the noise"] = setting.eps * math.sqrt(batch)
    return (
        found | _memory("memory in samples", setting.first, batch) | _squares_kept(setting, batch)
    )


def _squares_kept(setting: Setting, batch: float) -> dict[str, float]:
    decays = setting.betas[1:] if setting.betas else (setting.alpha,)
    found: dict[str, float] = {}
    for index, decay in enumerate(decays):
        number = f" {index + 1}" if len(decays) > 1 else ""
        found |= _memory(f"memory of squares{number} in samples", decay, batch)
    return found


def _memory(name: str, decay: float | None, batch: float) -> dict[str, float]:
    """Samples after which a gradient's weight has fallen to 1/e; nothing for a decay of 0."""
    return {} if not decay else {name: -batch / math.log(decay)}


def _none(setting: Setting, batch: float) -> dict[str, float]:
    return {}


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "path",
            keeps="the path per sample: memory, step and noise",
            exact_where="each step is small and the memory long: k (1 - momentum) below 1",
            source="flatfast, docs/rescale.md; without momentum it is the linear rule",
            family="sgd",
            takes_lr=False,
            sets_momentum=True,
            ask=_path,
            kept=_path_kept,
            short_memory=True,
        ),
        Rule(
            "linear",
            keeps="the step per sample; momentum stays",
            exact_where="the memory is short against everything else",
            source="Goyal et al. 2017, arXiv 1706.02677",
            family="sgd",
            takes_lr=False,
            sets_momentum=False,
            ask=_linear,
            kept=_per_sample,
        ),
        Rule(
            "noise-scale",
            keeps="the step per sample, by momentum",
            exact_where="nothing but the noise counts",
            source="Smith et al. 2018, arXiv 1711.00489",
            family="sgd",
            takes_lr=True,
            sets_momentum=True,
            ask=_balance(1.0, -1.0),
            kept=_per_sample,
        ),
        Rule(
            "law",
            keeps="the balance 1 - momentum = C lr^(2/3)",
            exact_where="label noise drives a network that fits its data",
            source="Cowsik, Can and Glorioso 2022, arXiv 2210.16400",
            family="sgd",
            takes_lr=True,
            sets_momentum=True,
            ask=_balance(GAMMA, BATCH_POWER),
            kept=_law_kept,
        ),
        Rule(
            "critical",
            keeps="the damping of each mode",
            exact_where="gradients have no noise",
            source="classical; Polyak 1964",
            family="sgd",
            takes_lr=True,
            sets_momentum=True,
            ask=_balance(0.5, 0.0),
            kept=_damping,
        ),
        Rule(
            "effective-step",
            keeps="the step lr / (1 - momentum)",
            exact_where="the slow directions count, and the fast ones stay stable",
            source="Wang et al. 2023, arXiv 2307.15196",
            family="sgd",
            takes_lr=True,
            sets_momentum=True,
            ask=_balance(1.0, 0.0),
            kept=_step,
        ),
        Rule(
            "adam-sde",
            keeps="memories per sample, step against noise",
            exact_where="noise dominates gradients, and k (1 - beta) is below 1 for each beta",
            source="Malladi et al. 2022, arXiv 2205.10287",
            family="adaptive",
            takes_lr=False,
            sets_momentum=True,
            ask=_adam_sde,
            kept=_adam_kept,
            short_memory=True,
        ),
        Rule(
            "square-root",
            keeps="the step per root of the batch; betas stay",
            exact_where="noise dominates gradients, and memories count for little",
            source="Krizhevsky 2014, arXiv 1404.5997; for Adam Malladi et al. 2022",
            family="adaptive",
            takes_lr=False,
            sets_momentum=False,
            ask=_square_root,
            kept=_per_root,
        ),
        Rule(
            "half-life",
            keeps="the memory of squares per sample",
            exact_where="language models at small batches, by experiment",
            source="Marek et al. 2025, arXiv 2507.07101",
            family="adaptive",
            takes_lr=True,
            sets_momentum=False,
            ask=_half_life,
            kept=_squares_kept,
            short_memory=True,
        ),
        Rule(
            "ema",
            keeps="averaged weights' memory, as all rules do",
            exact_where="everything else is tuned again",
            source="Busbridge et al. 2023, arXiv 2307.13813",
            family="any",
            takes_lr=True,
            sets_momentum=False,
            ask=_nothing,
            kept=_none,
        ),
    )
}
