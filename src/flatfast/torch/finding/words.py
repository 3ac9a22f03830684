"""What was found in words: the pair first, then how sure that is, then what was done."""

import math
import textwrap

from flatfast.torch.finding.grid import Pair
from flatfast.torch.finding.result import Result

WIDTH = 80
"""Columns of a terminal."""

NINE = 0.9


def in_words(found: Result) -> str:
    """All of it, as lines for a terminal."""
    told = [*_momentum(found), *_rate(found), *_nine(found), *_bound(found), *_unresolved(found)]
    parts = [
        _verdict(found),
        *_under_way(found),
        *([*told, _horizon(found)] if found.ok else []),
        f"Assumed: {'; '.join(found.assumed)}.",
        _cost(found),
    ]
    return "\n".join(textwrap.fill(part, WIDTH, subsequent_indent="  ") for part in parts)


def _verdict(found: Result) -> str:
    pairs = len(found.long_trials)
    if not found.ok:
        return (
            f"Keep what has served: none of {pairs} pairs is seen to lower the loss in "
            f"{found.horizons[1]} steps, {found.loss:.4g} at best from {found.start:.4g}. Training "
            "has come to its noise, or to its minimum, where so few steps tell nothing."
        )
    use = f"lr {found.lr:.3g} with momentum {found.momentum:.4g}"
    if found.lr_given:
        use = f"momentum {found.momentum:.4g} at lr {found.lr:.4g}"
    best = (
        f"the least loss of {pairs} pairs after {found.horizons[1]} steps, {found.loss:.4g} from "
        f"{found.start:.4g}"
    )
    if found.steps is None or found.pair == found.measured:
        return f"Use {use}: {best}."
    return (
        f"Use {use}, for {found.steps:,} steps: carried on from {_of(found, found.measured)}, "
        f"which has {best}."
    )


def _under_way(found: Result) -> list[str]:
    if not (found.under_way and found.ok):
        return []
    return [
        "Training is under way: where that was tried, the pair in use, kept, ended better than one "
        "that was found (docs/find.md)."
    ]


def _of(found: Result, pair: Pair) -> str:
    if found.lr_given:
        return f"momentum {pair.momentum:.4g}"
    return f"lr {pair.lr:.3g} with momentum {pair.momentum:.4g}"


def _momentum(found: Result) -> list[str]:
    if math.isinf(found.margin):
        return []
    low, high = found.momenta
    at = f"at lr {found.lr:.3g}"
    if not found.lr_given:
        at = f"while {found.step_is} stays {found.measured.step:.3g}"
    seen = "within the noise (95%)"
    if low < high:
        return [f"Momentum does not matter here between {low:.4g} and {high:.4g}, {at}, {seen}."]
    line = found.along("momentum")
    if len(line) < 2:
        return []
    place = [trial.pair for trial in line].index(found.measured)
    sides = [line[p].pair.momentum for p in (place - 1, place + 1) if 0 <= p < len(line)]
    others = " and ".join(f"{momentum:.4g}" for momentum in sides)
    worse = "is worse" if len(sides) == 1 else "are worse"
    return [f"Momentum matters here: {others} {worse} {at}, beyond the noise (95%)."]


def _rate(found: Result) -> list[str]:
    if found.lr_given or math.isinf(found.margin):
        return []
    low, high = found.rates
    at = f"at momentum {found.measured.momentum:.4g} and {found.horizons[1]} steps"
    if low < high:
        return [f"Learning rates from {low:.3g} to {high:.3g} are as good {at}."]
    if any("learning" in side for side in found.bounds) or len(found.along("lr")) < 3:
        return []
    return [f"The learning rate is the best within a factor of two, {at}."]


def _nine(found: Result) -> list[str]:
    """How momentum 0.9 compares, where it was run and is not the answer."""
    if found.measured.momentum == NINE:
        return []
    line = found.along("momentum")
    nine = next((trial for trial in line if trial.pair.momentum == NINE), None)
    if nine is None or math.isinf(found.margin):
        return []
    name = _of(found, nine.pair)
    if nine.pair in found.as_good:
        return [f"The usual 0.9 is as good: {name} cannot be told from the best."]
    if math.isinf(nine.loss):
        return [f"The usual 0.9 diverges here ({name})."]
    share = (nine.loss - found.loss) / max(found.start - found.loss, 1e-300)
    return [f"The usual 0.9 is worse ({name}): it loses {share:.1%} of the fall of the loss."]


def _bound(found: Result) -> list[str]:
    if not found.bounds:
        return []
    return [
        f"Not run so long, and perhaps better: {', '.join(found.bounds)}. A larger budget goes on."
    ]


def _unresolved(found: Result) -> list[str]:
    if not found.unresolved:
        return []
    return [
        "The runs do not tell these pairs apart: the noise of a run, "
        f"{found.noise:.2g}, hides what differs. More tells more: budget="
        f"{4 * found.evaluations:,} for runs four times as long."
    ]


def _horizon(found: Result) -> str:
    short, long = found.horizons
    before, after = found.optima
    if found.lr_given:
        moved = (
            f"momentum {before.momentum:.4g} was best after {short} steps, {after.momentum:.4g} "
            f"after {long}"
        )
        if found.steps is not None and found.steps < long:
            return f"Horizon: {moved}. {_fewer(found.steps, long)}."
        return (
            f"Horizon: {moved}. What is best for {long} steps is not best for many more, and "
            "momenta with a longer memory were not tried."
        )
    moved = (
        f"{found.step_is} = {before.step:.3g} with momentum {before.momentum:.4g} was best "
        f"after {short} steps, {after.step:.3g} with {after.momentum:.4g} after {long}"
    )
    if found.steps is None:
        return (
            f"Horizon: {moved}. What is best for {long} steps is not best for many more, mostly "
            "smaller steps are: give steps=, of the training to come."
        )
    if found.steps > long:
        factor = found.pair.step / found.measured.step
        return (
            f"Horizon: {moved}. For {found.steps:,} the effective step is {factor:.2g} times that "
            f"of {long}: a guess, the middle of what theory allows."
        )
    if found.steps < long:
        return f"Horizon: {moved}. {_fewer(found.steps, long)}, mostly larger steps are."
    return f"Horizon: {moved}."


def _fewer(steps: int, long: int) -> str:
    """Of a training that is shorter than the runs."""
    left = f"{steps} step{'s' if steps > 1 else ''}"
    return f"Training has {left} left: what is best for {long} is not best for fewer"


def _cost(found: Result) -> str:
    share = "" if found.steps is None else f", {_share(found.evaluations / found.steps)}"
    return f"Cost: {found.evaluations:,} gradient evaluations{share}, {found.seconds:.1f} s."


def _share(of_training: float) -> str:
    if of_training > 1:
        return f"{of_training:,.3g} times the training"
    told = "below 0.1%" if of_training < 1e-3 else f"{of_training:.1%}"
    return f"{told} of the training"
