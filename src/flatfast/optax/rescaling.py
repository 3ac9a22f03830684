"""``flatfast.optax.rescale``: tuned hyperparameters at another batch or learning rate."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from flatfast.arguments import as_number
from flatfast.law import MomentumLaw
from flatfast.rescaling import Rescaled, Setting
from flatfast.rescaling import rescale as rescale_setting
from flatfast.rescaling.change import check_said, ratio
from flatfast.rescaling.choice import MEASURED
from flatfast.rescaling.rescale import OwnRule, name_of_own

Given = TypeVar("Given")

BETAS = "b1", "b2", "b3"

WITHOUT = {
    "initial_accumulator_value": "Adagrad sums its squares and never forgets",
    "decay_rate": "Adafactor's memory of squares grows with the steps",
    "rho": "Adadelta's steps have a length of their own",
    "memory_size": "L-BFGS is made for gradients without noise",
}
"""Names of optimizers for which there is no rule, and why; where there are no b1 and b2."""

WITH_NONE = {
    "weight_lr_power": "schedule-free momentum is the place between two weights, and no memory",
    "estim_lr0": "it estimates its learning rate as it goes",
}
"""Names of optimizers for which there is no rule, whatever else they have."""

PARTS = "", "adam_"
"""What names may begin with: ``optax.contrib.muon`` has an Adam of its own for some parameters."""

RELEVANT = {
    *BETAS,
    *("learning_rate", "momentum", "decay", "beta", "eps", "eps_root", "weight_decay", "C"),
}
"""What a rule may change, of what a state has."""

INJECTED = (optax.InjectHyperparamsState, optax.InjectStatefulHyperparamsState)


def rescale(
    given: Given,
    *,
    batch: tuple[float, float] | None = None,
    lr: tuple[float, float] | None = None,
    rule: str | OwnRule = MEASURED,
) -> Given:
    """Carry tuned hyperparameters to another batch, or another learning rate.

    ::

        tuned = {"learning_rate": optax.cosine_decay_schedule(3e-4, 10_000), "b1": 0.9, "b2": 0.95}
        optimizer = optax.adamw(**rescale(tuned, batch=(64, 16), rule="adam-sde"))

        state = rescale(state, batch=(256, 1024))  # of optax.inject_hyperparams

    :func:`flatfast.rescale` explains the rules, and ``flatfast.rules()`` lists them. What has no
    part in them stays. A schedule of the learning rate becomes one of the same length in steps.
    Nothing keeps count of it: what comes back is rescaled again by another call.

    Args:
        given: Hyperparameters by Optax's names: ``learning_rate``, a number or a schedule;
            ``momentum`` (SGD), with ``decay`` RMSprop's; ``b1``, ``b2`` and ``b3``; ``beta``
            (Muon, signum); ``eps``, ``eps_root``, ``weight_decay``; ``C`` or ``law`` of
            :func:`flatfast.optax.sgd`, with the rule "law"; ``averaging`` for the decay of averaged
            weights. Or a state of ``optax.inject_hyperparams``, alone or inside of others.
        batch: Examples in a step before and after, all devices and accumulated batches together.
        lr: The learning rate before and after, whose ratio is asked for. Without it the rule sets
            the learning rate, or leaves it.
        rule: A name of :func:`flatfast.rules`, or a function, see :func:`flatfast.rescale`.

    Returns:
        Hyperparameters of the same names, or a new state; arrays keep their type.

    Raises:
        TypeError: If there are no hyperparameters, a value is no number (of other hyperparameters
            than ``learning_rate`` and ``weight_decay`` a schedule is none), ``batch`` or ``lr`` is
            no pair, or the rule no name and no function.
        ValueError: If a value is out of its range, nothing changes, no rule has this name or none
            is known for the optimizer, a schedule is inside of a state, or a decay becomes 1 in the
            type of its array.

    Warns:
        UserWarning: If the rule cannot keep here what it promises, with the reasons.
    """
    asked = _Asked.of(batch, lr, rule)
    doubts: dict[str, None] = {}
    if isinstance(given, Mapping):
        found: Any = _rescaled(given, asked, doubts)
    else:
        found = _state(given, asked, doubts)
    if doubts:
        warnings.warn(
            f"rescaled by the rule {asked.name}, with doubts: {'; '.join(doubts)}", stacklevel=2
        )
    return found  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Asked:
    """Factors of batch and learning rate, None where nothing was said, and the rule."""

    k: float | None
    lr: float | None
    rule: str | OwnRule

    @classmethod
    def of(cls, batch: Any, lr: Any, rule: Any) -> "_Asked":
        check_said(batch, lr)
        k = None if batch is None else ratio("batch", batch)
        return cls(k, None if lr is None else ratio("lr", lr), rule)

    @property
    def name(self) -> str:
        return self.rule if isinstance(self.rule, str) else name_of_own(self.rule)

    def of_setting(self, setting: Setting) -> Rescaled:
        lr = None if self.lr is None else setting.lr * self.lr
        return rescale_setting(setting, batch=(1.0, self.k or 1.0), lr=lr, rule=self.rule)


def _state(given: Any, asked: _Asked, doubts: dict[str, None]) -> Any:
    """A state with all injected learning rates rescaled, and what goes with them."""
    count = 0

    def rescaled(part: Any) -> Any:
        nonlocal count
        if not isinstance(part, INJECTED):
            return part
        if "learning_rate" not in part.hyperparams:
            if names := [name for name in part.hyperparams if name in RELEVANT]:
                apart = f"{', '.join(names)} stand in a state without learning_rate"
                doubts[f"{apart}, and stay as they are: nobody knows what they belong to"] = None
            return part
        count += 1
        for name in getattr(part, "hyperparams_states", {}):
            if name.removeprefix("adam_") in RELEVANT:
                raise ValueError(
                    f"{name} follows a schedule inside of the optimizer, which its state does not "
                    "have: rescale the hyperparameters, and make the optimizer of them"
                )
        return part._replace(hyperparams=_rescaled(part.hyperparams, asked, doubts))

    new = jax.tree.map(rescaled, given, is_leaf=lambda part: isinstance(part, INJECTED))
    if not count:
        raise TypeError(
            "give hyperparameters, such as {'learning_rate': 0.1, 'momentum': 0.9}, or a state of "
            f"optax.inject_hyperparams with a learning_rate, got {type(given).__name__}"
        )
    return new


def _rescaled(given: Mapping[str, Any], asked: _Asked, doubts: dict[str, None]) -> dict[str, Any]:
    if "learning_rate" not in given:
        names = ", ".join(map(str, given)) or "nothing"
        raise TypeError(f"hyperparameters need learning_rate, got {names}")
    if given.get("C") is not None or given.get("law") is not None:
        return _followed(given, asked)
    new, factors = dict(given), []
    for prefix in PARTS:
        part = {
            name.removeprefix(prefix): value
            for name, value in given.items()
            if name.startswith(prefix) and value is not None
        }
        if prefix and "b1" not in part:
            continue
        own = "learning_rate" in part
        part.setdefault("learning_rate", given["learning_rate"])
        setting = _setting(part)
        found = asked.of_setting(setting)
        doubts |= dict.fromkeys(found.doubts)
        factors.append(found.lr / setting.lr)
        if not own and not np.isclose(factors[0], factors[-1], rtol=1e-9):
            raise ValueError(
                f"learning_rate is to change by the factors {factors[0]:.4g} and "
                f"{factors[-1]:.4g}, the second for {prefix}b1: give {prefix}learning_rate as well"
            )
        for name, value in _changed(part, setting, found).items():
            if own or name != "learning_rate":
                new[prefix + name] = _like(prefix + name, given[prefix + name], value)
    return new


def _setting(part: Mapping[str, Any]) -> Setting:
    """What Optax's names mean.

    Raises:
        TypeError: If a value is no number.
        ValueError: If one is out of its range, or no rule is known.
    """
    betas = tuple(_number(name, part[name]) for name in BETAS if name in part)
    for name, why in (WITH_NONE if betas else WITHOUT | WITH_NONE).items():
        if name in part:
            raise ValueError(f"no rule is known for an optimizer with {name}: {why}")
    free = "beta" in part and not betas
    named = {
        name: _number(name, part[name])
        for name in ("momentum", "averaging")
        if name in part and not (betas and name == "momentum")
    }
    if free:
        named["momentum"] = _number("beta", part["beta"])
    if "decay" in part:
        named["alpha"] = _number("decay", part["decay"])
    if betas or "decay" in part:
        # Rules multiply it: what becomes of 1 says the factor, where there is no other.
        named["eps"] = _number("eps", part.get("eps", 1.0)) or 1.0
    if "weight_decay" in part:
        decay = part["weight_decay"]
        named["weight_decay"] = 1.0 if callable(decay) else _number("weight_decay", decay)
    rate = part["learning_rate"]
    return Setting(
        lr=1.0 if callable(rate) else _number("learning_rate", rate) or 1.0,
        betas=betas or None,
        convention="scale-free" if free else "heavy-ball",
        decoupled=bool(betas) or free,
        **named,
    )


def _changed(part: Mapping[str, Any], old: Setting, new: Rescaled) -> dict[str, Any]:
    """By Optax's names, for those that there are: numbers, or factors of schedules."""
    found: dict[str, Any] = {}
    for name, factor in _factors(old, new).items():
        if name in part:
            found[name] = _scaled(name, part[name], factor)
    if new.betas is not None:
        found |= dict(zip((name for name in BETAS if name in part), new.betas, strict=True))
    else:
        found |= {"momentum": new.momentum, "beta": new.momentum}
    found |= {"decay": new.alpha, "averaging": new.averaging}
    if new.eps is not None and old.eps is not None:
        factor = new.eps / old.eps
        # Inside of the root stands its square; Optax's RMSprop has it there, if nothing is said.
        inside = "decay" in part and bool(part.get("eps_in_sqrt", True))
        for name, power in {"eps": 2 if inside else 1, "eps_root": 2}.items():
            if name in part:
                found[name] = _number(name, part[name]) * factor**power
    return {name: value for name, value in found.items() if name in part and value is not None}


def _factors(old: Setting, new: Rescaled) -> dict[str, float]:
    """Of what may be a schedule."""
    factors = {"learning_rate": new.lr / old.lr}
    if new.weight_decay is not None and old.weight_decay:
        factors["weight_decay"] = new.weight_decay / old.weight_decay
    return factors


def _followed(given: Mapping[str, Any], asked: _Asked) -> dict[str, Any]:
    """Of our own SGD, whose momentum is a law's."""
    if asked.rule not in ("law", MEASURED):
        raise ValueError(
            "the momentum of flatfast.optax.sgd follows its learning rate by a law, so the rule "
            f"must be 'law', got {asked.name!r}"
        )
    new, k = dict(given), asked.k or 1.0
    new["learning_rate"] = _like(
        "learning_rate",
        given["learning_rate"],
        _scaled("learning_rate", given["learning_rate"], asked.lr or 1.0),
    )
    if given.get("C") is not None:
        C = MomentumLaw(_number("C", given["C"])).for_batch(k).C
        new["C"] = _like("C", given["C"], C)
    elif isinstance(law := given["law"], MomentumLaw):
        new["law"] = law.for_batch(k)
    else:
        raise TypeError(f"law must be a MomentumLaw, got {law!r}")
    return new


def _scaled(name: str, value: Any, factor: float) -> Any:
    """A number times the factor, or a schedule of such numbers."""
    if not callable(value):
        return _number(name, value) * factor

    def schedule(count: Any) -> Any:
        return factor * value(count)

    return schedule


def _number(name: str, value: Any) -> float:
    if callable(value):
        raise TypeError(
            f"{name} must be a number, got a schedule: only learning_rate and weight_decay may be "
            "schedules, of which the rest does not depend"
        )
    return as_number(name, value, "a number")


def _like(name: str, old: Any, new: Any) -> Any:
    """In the type of the array that was there."""
    if callable(new) or not hasattr(old, "dtype"):
        return new
    array = jnp.full_like(old, new) if isinstance(old, jax.Array) else np.full_like(old, new)
    if name.removeprefix("adam_") in (*BETAS, "momentum", "beta", "decay") and not array < 1:
        raise ValueError(
            f"{name} becomes {new:.8g}, which is 1 in {array.dtype}: keep it in a type of more bits"
        )
    return array
