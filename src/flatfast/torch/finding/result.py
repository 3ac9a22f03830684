"""What was found: the pair, those as good, and all runs."""

import math
from dataclasses import dataclass

from flatfast.torch.finding.grid import Pair


@dataclass(frozen=True)
class Trial:
    """Runs of a pair.

    Attributes:
        pair: Learning rate and momentum.
        horizon: Steps of each run.
        losses: At their ends, one for each set of batches; infinite where a run diverged.
    """

    pair: Pair
    horizon: int
    losses: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Their mean."""
        return sum(self.losses) / len(self.losses)


@dataclass(frozen=True, repr=False)
class Result:
    """A pair of learning rate and momentum, by short runs from one state of a training.

    Attributes:
        pair: To be used: the best of the long runs; where the training's steps were given and the
            learning rate was not, with that carried on to so many.
        measured: The best of the long runs.
        as_good: Pairs of the long runs whose loss is not seen to be higher than its, at 95% each.
        trials: All runs, by pair and horizon.
        horizons: Steps of the short runs and of the long ones.
        optima: Best pairs of both.
        exponent: Of the best effective step over the steps, as seen between the two; NaN where the
            best of either had not been run with both its neighbours.
        steps: Of the training to come; None where they were not given.
        lr_given: Whether the learning rate was.
        start: Loss before the runs.
        noise: Standard deviation of a long run's loss over batches, what all runs share apart; NaN
            where too few runs tell.
        margin: Excess of a mean loss from which on it is seen.
        bounds: On which sides the best lies at the end of what was run; empty if on none.
        assumed: What was taken for granted, in words.
        evaluations: Gradient evaluations spent.
        seconds: Time spent.
        under_way: Whether the optimizer that was given has made steps before.
    """

    pair: Pair
    measured: Pair
    as_good: tuple[Pair, ...]
    trials: tuple[Trial, ...]
    horizons: tuple[int, int]
    optima: tuple[Pair, Pair]
    exponent: float
    steps: int | None
    lr_given: bool
    start: float
    noise: float
    margin: float
    bounds: tuple[str, ...]
    assumed: tuple[str, ...]
    evaluations: int
    seconds: float
    under_way: bool = False

    @property
    def lr(self) -> float:
        """The pair's learning rate, to be used."""
        return self.pair.lr

    @property
    def momentum(self) -> float:
        """The pair's momentum, to be used."""
        return self.pair.momentum

    @property
    def step_is(self) -> str:
        """What the effective step is: ``lr`` alone where momentum averages gradients."""
        averages = any(t.pair.momentum > 0 and t.pair.step == t.pair.lr for t in self.trials)
        return "lr" if averages else "lr / (1 - momentum)"

    @property
    def momenta(self) -> tuple[float, float]:
        """Least and largest momentum that is as good as the best at the same effective step.

        Where the learning rate was given, at that. Of those next to each other that have been run.
        """
        return _stretch(self.along("momentum"), self.as_good, self.measured, "momentum")

    @property
    def rates(self) -> tuple[float, float]:
        """Least and largest learning rate that is as good as the best at the same momentum.

        As measured, at the long horizon, and so around ``measured.lr``.
        """
        return _stretch(self.along("lr"), self.as_good, self.measured, "lr")

    @property
    def loss(self) -> float:
        """Mean loss after the long runs of the best pair."""
        return self.long(self.measured).loss

    @property
    def ok(self) -> bool:
        """Whether any pair is seen to lower the loss; if none is, keep what has served."""
        return self.loss < self.start - (self.margin if math.isfinite(self.margin) else 0.0)

    @property
    def unresolved(self) -> bool:
        """Whether all that was run to the long horizon is as good: the noise hides what differs."""
        finite = [trial for trial in self.long_trials if trial.loss < math.inf]
        return len(self.as_good) == len(finite) > 1 or self.margin == math.inf

    @property
    def long_trials(self) -> tuple[Trial, ...]:
        """Those of the long horizon."""
        return tuple(trial for trial in self.trials if trial.horizon == self.horizons[1])

    def long(self, pair: Pair) -> Trial:
        """The long runs of a pair.

        Raises:
            KeyError: If there are none.
        """
        for trial in self.long_trials:
            if trial.pair == pair:
                return trial
        raise KeyError(pair)

    def along(self, axis: str) -> list[Trial]:
        """Long runs that differ from the best in momentum, or in learning rate, alone, in order.

        Args:
            axis: ``"momentum"``, at its effective step or at the given learning rate; or ``"lr"``,
                at its momentum.
        """
        fixed = "momentum" if axis == "lr" else "lr" if self.lr_given else "step"
        wanted = getattr(self.measured, fixed)
        same = [t for t in self.long_trials if math.isclose(getattr(t.pair, fixed), wanted)]
        return sorted(same, key=lambda trial: float(getattr(trial.pair, axis)))


def _stretch(
    line: list[Trial], as_good: tuple[Pair, ...], best: Pair, axis: str
) -> tuple[float, float]:
    """Ends of the pairs next to each other, the best among them, that are as good."""
    pairs = [trial.pair for trial in line]
    low = high = pairs.index(best)
    while low > 0 and pairs[low - 1] in as_good:
        low -= 1
    while high < len(pairs) - 1 and pairs[high + 1] in as_good:
        high += 1
    return getattr(pairs[low], axis), getattr(pairs[high], axis)
