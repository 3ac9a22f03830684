"""``flatfast.rescale``: a tuned setting, carried to another batch or learning rate."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from flatfast.rescaling.change import Change, as_change
from flatfast.rescaling.choice import MEASURED, chosen_rule, doubts_of_choice
from flatfast.rescaling.rescaled import Rescaled
from flatfast.rescaling.rule import Asked, Rule
from flatfast.rescaling.rules import RULES, kept_decay
from flatfast.rescaling.setting import Setting, as_setting
from flatfast.rescaling.words import moves

OwnRule = Callable[[Setting, Change], Setting]
"""A rule of the user's: from the old setting and what changes to the new setting."""

ROUNDING = 1e-6
"""Share by which what is kept may differ and still be the same: of momenta close to 1."""


def rescale(
    setting: Setting | Mapping[str, Any],
    *,
    batch: tuple[float, float] | None = None,
    lr: float | None = None,
    rule: str | OwnRule = MEASURED,
) -> Rescaled:
    """The setting that serves at another batch or learning rate, if the one given was tuned.

    ::

        rescale({"lr": 0.1, "momentum": 0.9}, batch=(256, 1024))     # linear: lr 0.4, momentum 0.9
        rescale({"lr": 0.1, "momentum": 0.9}, lr=0.4)        # effective-step: momentum 0.6
        rescale({"lr": 3e-4, "betas": (0.9, 0.95)}, batch=(64, 256))     # square-root: lr 6e-4
        rescale({"lr": 0.1, "momentum": 0.9}, lr=0.4, rule="law")    # momentum 0.748

    Which rule to trust depends on what is trained: docs/rescale.md has a table, and where no rule
    is named the one that served best in it is taken. Every rule keeps
    the memory in samples of averaged weights and of decoupled weight decay. Decays are raised to
    the power of the batch's factor, so none ever leaves [0, 1). Where a rule cannot keep what it
    promises, the answer is the nearest setting that can be used and says so in ``doubts``.

    Args:
        setting: What was tuned: a :class:`Setting`, or a mapping of its values.
        batch: Examples in a step before and after, all devices and accumulated batches together;
            None leaves the batch as it is.
        lr: The learning rate to go to, in the setting's own convention; None leaves it to the rule.
        rule: A name of :func:`rules`; "measured", which takes the one that served best for this
            kind of optimizer and change; or a function of the old setting and the
            :class:`~flatfast.rescaling.Change` to the new setting.

    Returns:
        The new setting.

    Raises:
        TypeError: If a value is no number, ``batch`` no pair, or the rule no name and no function.
        ValueError: If a value is out of its range, nothing changes, no rule has this name, or the
            rule sets a momentum and the setting has none.
    """
    old, change = as_setting(setting), as_change(batch, lr)
    if callable(rule):
        return _by_own_rule(rule, old, change)
    known = rule_of(chosen_rule(old, change) if rule == MEASURED else rule)
    if known.sets_momentum and known.takes_lr and old.first is None:
        raise ValueError(
            f"the rule {known.name} sets the momentum, and this setting has none; give "
            "momentum=0 for plain SGD whose optimizer could have one"
        )
    new = _settled(known, old, change, known.ask(old, change))
    if rule != MEASURED:
        return new
    ratio = None if change.lr is None else change.lr / old.lr
    return replace(new, doubts=(*new.doubts, *doubts_of_choice(old, change.batch, ratio)))


def rule_of(name: object) -> Rule:
    """The rule of this name.

    Raises:
        TypeError: If it is no name.
        ValueError: If there is none.
    """
    if not isinstance(name, str):
        raise TypeError(f"rule must be a name or a function, got {name!r}")
    if name not in RULES:
        raise ValueError(
            f"rule must be one of {MEASURED}, {', '.join(RULES)}, or a function, got {name!r}"
        )
    return RULES[name]


def check_rule(rule: object) -> None:
    """Refuse what is no rule.

    Raises:
        TypeError: If it is no name and no function.
        ValueError: If no rule has this name.
    """
    if not callable(rule) and rule != MEASURED:
        rule_of(rule)


def name_of_own(rule: OwnRule) -> str:
    """What a rule of the user's is called."""
    return str(getattr(rule, "__name__", type(rule).__name__))


def _by_own_rule(rule: OwnRule, old: Setting, change: Change) -> Rescaled:
    name = name_of_own(rule)
    given = rule(old, change)
    if not isinstance(given, Setting):
        raise TypeError(f"the rule {name} must return a Setting, got {given!r}")
    _check_kind(name, given, old)
    first_line = (getattr(rule, "__doc__", None) or "").strip().partition("\n")[0]
    values = {**_values(given), "convention": old.convention}
    if given.decoupled is None:
        values["decoupled"] = old.decoupled
    return Rescaled(
        **values, rule=name, keeps=first_line, source="your own", before=Setting(**_values(old))
    )


def _check_kind(name: str, given: Setting, old: Setting) -> None:
    """Refuse what this optimizer has no place for; what a rule leaves out stays.

    Raises:
        ValueError: If there is such a thing.
    """
    for part in ("momentum", "alpha", "eps", "weight_decay", "averaging"):
        if getattr(given, part) is not None and getattr(old, part) is None:
            raise ValueError(
                f"the rule {name} returned {part} {getattr(given, part):g} for a setting that has "
                f"none: {moves(None, old)}"
            )
    had = len(old.betas or ())
    if given.betas is not None and len(given.betas) != had:
        raise ValueError(
            f"the rule {name} returned betas {given.betas} for a setting that has "
            f"{had or 'none'}: {moves(None, old)}"
        )
    if given.convention not in (Setting.convention, old.convention):
        raise ValueError(
            f"the rule {name} returned the convention {given.convention!r} for a setting of "
            f"{old.convention!r}"
        )


def _settled(rule: Rule, old: Setting, change: Change, asked: Asked) -> Rescaled:
    """What an optimizer can do of what a rule asks for, and what of its promise that breaks."""
    doubts = [*_of_another_family(rule, old)]
    lr = asked.lr
    if change.lr is not None and not math.isclose(change.lr, lr, rel_tol=ROUNDING):
        doubts.append(
            f"{rule.name} sets the learning rate itself, to {lr:.4g} here; the {change.lr:.4g} "
            "that you ask for is used"
        )
    lr = lr if change.lr is None else change.lr
    first = old.first
    if first is not None and asked.complement is not None:
        first, doubt = _decay(rule, asked.complement, _first_name(old))
        doubts += doubt
    new = _moved(old, change, asked, lr, first)
    if rule.short_memory:
        doubts += _short(rule, old, change.batch)
    doubts += _broken(rule, old, new, change.batch)
    return Rescaled(
        **_values(new),
        rule=rule.name,
        keeps=rule.keeps,
        exact_where=rule.exact_where,
        source=rule.source,
        doubts=tuple(doubts),
        before=Setting(**_values(old)),
    )


def _moved(old: Setting, change: Change, asked: Asked, lr: float, first: float | None) -> Setting:
    k = change.batch
    squares = (_power(decay, asked.squares) for decay in (old.betas or ())[1:])
    decay = old.weight_decay
    if decay is not None and old.decays_apart:
        decay *= k * old.lr / lr
    return Setting(
        lr=lr,
        momentum=first if old.betas is None else None,
        betas=None if old.betas is None else (first or 0.0, *squares),
        alpha=None if old.alpha is None else _power(old.alpha, asked.squares),
        eps=None if old.eps is None else old.eps * asked.eps,
        weight_decay=decay,
        averaging=None if old.averaging is None else _power(old.averaging, k),
        convention=old.convention,
        decoupled=old.decoupled,
    )


def _power(decay: float, power: float) -> float:
    return min(kept_decay(decay, power), _MOST)


_MOST = math.nextafter(1.0, 0.0)
"""The greatest decay that is not 1."""


def _decay(rule: Rule, complement: float, name: str) -> tuple[float, list[str]]:
    """The decay of gradients that is nearest to what is asked for."""
    if complement > 1 + ROUNDING:
        return 0.0, [
            f"{rule.name} asks for 1 - {name} = {complement:.3g}, which no momentum gives; 0 is "
            "the nearest"
        ]
    return min(max(1 - complement, 0.0), _MOST), []


def _of_another_family(rule: Rule, old: Setting) -> list[str]:
    if rule.family == "sgd" and old.adaptive:
        return [
            f"{rule.name} was derived for SGD, whose step is as long as the gradient; here the "
            "step has a length of its own (adam-sde is made for that)"
        ]
    if rule.family == "adaptive" and not old.adaptive:
        return [f"{rule.name} was derived for Adam and its like, and this is SGD's setting"]
    return []


def _short(rule: Rule, old: Setting, k: float) -> list[str]:
    """Memories in samples that are shorter than the new batch."""
    squares = {} if rule.family == "sgd" else {"alpha": old.alpha} | _named(old.betas)
    first = {_first_name(old): old.first if rule.sets_momentum else None}
    short = [
        f"{name} {decay:.4g}"
        for name, decay in (first | squares).items()
        if decay and k * (1 - decay) >= 1 - ROUNDING
    ]
    if not short:
        return []
    return [
        f"a batch {k:.4g} times as large is longer than the memory of {' and '.join(short)}: "
        "its steps are too coarse for the path to be the same"
    ]


def _first_name(setting: Setting) -> str:
    return "momentum" if setting.betas is None else "beta 1"


def _named(betas: tuple[float, ...] | None) -> dict[str, float | None]:
    return {f"beta {index}": beta for index, beta in enumerate((betas or ())[1:], start=2)}


def _broken(rule: Rule, old: Setting, new: Setting, k: float) -> list[str]:
    """Promises that the new setting does not keep."""
    before, after = rule.kept(old, 1.0), rule.kept(new, k)
    return [
        f"the {name} becomes {after[name] / value:.3g} times what it was"
        for name, value in before.items()
        if name in after and not math.isclose(after[name], value, rel_tol=ROUNDING)
    ]


def _values(setting: Setting) -> dict[str, Any]:
    return {field.name: getattr(setting, field.name) for field in fields(Setting)}
