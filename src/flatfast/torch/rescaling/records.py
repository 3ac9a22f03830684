"""What was asked for, what has been done already, and what is left of it.

Everything that is rescaled keeps a record: parameter groups and schedulers where their checkpoints
have it too, averages and couplings, which are made anew by every program, on the object. So a call
that is made again, after a checkpoint for instance, does what is missing and no more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from flatfast.rescaling import Rescaled, Setting
from flatfast.rescaling import rescale as rescale_setting
from flatfast.rescaling.change import Change, as_pair, check_said, ratio
from flatfast.rescaling.choice import MEASURED, chosen_rule, doubts_of_choice
from flatfast.rescaling.rescale import OwnRule, check_rule, name_of_own

KEY = "rescaled"
"""Name of the record in a parameter group, and on a scheduler, an average or a coupling."""

DOUBTS = "doubts"
"""Where a group's record has what was to be said when it was written, a line each: one text, for
``torch.distributed.checkpoint`` loads no list into one of another length."""

LOST = "lost"
"""Where it has whether a decay was clamped, so that no way leads back."""

CLOSE = 1e-4
"""Share by which a complement may differ on the way there and back, and be the same: betas in
tensors have few digits."""

Pair = tuple[float, float]
"""Before and after."""

Record = dict[str, Any]
"""``batch`` and ``lr``: what was tuned and what is now, a list of both, or None where neither was
said; ``rule``: the name of the last one; numbers and text alone, which any checkpoint keeps."""


class Step(NamedTuple):
    """What is left to be done.

    Attributes:
        k: Factor of the batch; None where it stays.
        lr: Factor of the learning rate; None where the rule says it.
    """

    k: float | None
    lr: float | None

    @property
    def moves(self) -> bool:
        """Whether anything is left."""
        return self.k is not None or self.lr is not None


@dataclass(frozen=True)
class Asked:
    """A call's arguments.

    Attributes:
        batch: Examples in a step before and after.
        lr: Learning rate before and after.
        rule: A rule's name, or a function.
    """

    batch: Pair | None
    lr: Pair | None
    rule: str | OwnRule

    @classmethod
    def of(cls, batch: Any, lr: Any, rule: Any) -> "Asked":
        """What a call asks for.

        Raises:
            TypeError: If one is no pair of numbers, or the rule no name and no function.
            ValueError: If nothing changes, a number is not positive and finite, or no rule has this
                name.
        """
        check_said(batch, lr)
        check_rule(rule)
        return cls(_pair("batch", batch), _pair("lr", lr), rule)

    @property
    def rule_name(self) -> str:
        """The rule's name."""
        return self.rule if isinstance(self.rule, str) else name_of_own(self.rule)

    def left(self, record: Mapping[str, Any] | None) -> tuple[Step, Record]:
        """What is left to be done where this record is, and the record of afterwards.

        Raises:
            ValueError: If it is not clear: what was done began elsewhere, or by another rule.
        """
        done = record or {}
        step = Step(self._part("batch", done), self._part("lr", done))
        if step.k is not None and step.lr is None and self.lr is not None:
            step = Step(step.k, 1.0)  # it is there, and is to stay
        if not step.moves and done.get("rule") != self.rule_name:
            raise ValueError(
                f"this optimizer was rescaled to {place(done)} by the rule {done.get('rule')}, and "
                f"now {self.rule_name} is asked for: begin with the tuned values to use another "
                "rule"
            )
        new: Record = {"batch": None, "lr": None, "rule": self.rule_name}
        for name, tuned, now in _known(done):
            new[name] = [tuned, now]
        for name, (before, after) in self._pairs():
            new[name] = [new[name][0] if new[name] else before, after]
        return step, new

    def of_setting(self, setting: Setting, step: Step) -> Rescaled:
        """What becomes of a setting in such a step, without the doubts of :meth:`doubts`."""
        if callable(self.rule) and not step.moves:  # which says nothing of what is there
            there = rescale_setting(setting, batch=(1.0, 1.0), rule="ema")
            return replace(there, rule=self.rule_name, keeps="", exact_where="", source="your own")
        lr = None if step.lr is None else setting.lr * step.lr
        change = Change(1.0 if step.k is None else step.k, lr)
        rule = chosen_rule(setting, change) if self.rule == MEASURED else self.rule
        return rescale_setting(setting, batch=(1.0, change.batch), lr=lr, rule=rule)

    def doubts(self, setting: Setting, record: Record) -> list[str]:
        """Whether a choice was measured to serve, for all that was changed since it was tuned."""
        done = whole(record)
        chosen = self.rule == MEASURED
        return doubts_of_choice(setting, done.k or 1.0, done.lr) if chosen else []

    def returns(self, old: Setting, new: Setting, step: Step) -> bool:
        """Whether a rule of ours leads back from a new setting: where it was clamped it does not.

        Of a rule of the user's nobody knows, and it is taken to do so.
        """
        if callable(self.rule) or not step.moves:
            return True
        back = Step(step.k and 1 / step.k, step.lr and 1 / step.lr)
        there = self.of_setting(new, back)
        pairs = zip(_decays(old), _decays(there), strict=True)
        return all(math.isclose(1 - one, 1 - two, rel_tol=CLOSE) for one, two in pairs)

    def _pairs(self) -> list[tuple[str, Pair]]:
        both = {"batch": self.batch, "lr": self.lr}
        return [(name, pair) for name, pair in both.items() if pair is not None]

    def _part(self, name: str, done: Mapping[str, Any]) -> float | None:
        pair = dict(self._pairs()).get(name)
        if pair is None:
            return None
        before, after = pair
        known = done.get(name)
        if known is None:
            return ratio(name, pair)
        tuned, now = known
        if math.isclose(after, now):
            return None
        by_another = done.get("rule") != self.rule_name
        if math.isclose(before, now) or (math.isclose(before, tuned) and not by_another):
            return ratio(name, (now, after))
        asked = f"{name}=({before:g}, {after:g})"
        if math.isclose(before, tuned):
            raise ValueError(
                f"{asked} by the rule {self.rule_name}, but {name} {now:g} was reached by "
                f"{done.get('rule')}: to go on from there give ({now:g}, {after:g})"
            )
        raise ValueError(
            f"{asked}, but this optimizer was rescaled from {name} {tuned:g} to {now:g} already: "
            f"give ({tuned:g}, {after:g}) or ({now:g}, {after:g})"
        )


def place(done: Mapping[str, Any]) -> str:
    """Where a record is, in words; none for an empty one."""
    return " and ".join(f"{name} {now:g}" for name, _, now in _known(done))


def whole(record: Record) -> Step:
    """All that has been done, in one step."""
    steps = {name: now / tuned for name, tuned, now in _known(record)}
    return Step(steps.get("batch"), steps.get("lr"))


def _decays(setting: Setting) -> list[float]:
    every = (setting.momentum, *(setting.betas or ()), setting.alpha)
    return [decay for decay in every if decay is not None]


def _known(done: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    return [(name, *done[name]) for name in ("batch", "lr") if done.get(name) is not None]


def _pair(name: str, given: Any) -> Pair | None:
    if given is None:
        return None
    pair = as_pair(name, given)
    ratio(name, pair)
    return pair
