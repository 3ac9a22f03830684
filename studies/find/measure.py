"""Searches, and trainings with what they found beside those of a sweep."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from flatfast import rescale
from flatfast.torch.finding import Found, find
from studies.find.cases import (
    AT_RATE,
    BATCH_FACTOR,
    LEAST_BUDGET,
    MORE,
    NINE,
    RATE_FACTORS,
    Training,
)
from studies.find.train import Pair, cosine, final_losses, half_way, second_half

Row = dict[str, Any]


def scratch(training: Training, seed: int) -> Row:
    """A search at the initial weights, and trainings from there."""
    torch.set_num_threads(1)
    network, batches = training.network(seed), training.batches(seed)
    found = find(network, F.cross_entropy, batches, budget=training.budget(), steps=training.steps)
    sweep, ways = training.sweep(), _ways(found)
    losses = final_losses(
        network, training.outputs, [*sweep, *ways.values()], batches, training.test(), cosine
    )
    return _row(sweep, ways, losses, found)


def larger(training: Training, seed: int) -> dict[str, Row]:
    """Searches from scratch that may spend more, by their share of a training; without a sweep."""
    torch.set_num_threads(1)
    network, batches = training.network(seed), training.batches(seed)
    found = {}
    for share in MORE:
        own = find(
            network,
            F.cross_entropy,
            batches,
            budget=max(int(share * training.steps), LEAST_BUDGET),
            steps=training.steps,
        )
        ways = _ways(own)
        losses = final_losses(
            network, training.outputs, list(ways.values()), batches, training.test(), cosine
        )
        found[f"{share:g}"] = _row([], ways, losses, own)
    return found


def from_half_way(training: Training, seed: int, before: Row) -> Row:
    """The same in the middle of a training at momentum 0.9 and the rate best for it."""
    torch.set_num_threads(1)
    network, batches = training.network(seed), training.batches(seed)
    lr, momentum = best_nine(before)
    half_way(network, (lr, momentum), batches)
    rest = batches[len(batches) // 2 :]
    optimizer = torch.optim.SGD(network.parameters(), lr=lr * cosine(0.5), momentum=momentum)
    found = find(
        network,
        F.cross_entropy,
        rest,
        budget=training.budget(),
        steps=len(rest),
        optimizer=optimizer,
        schedule=second_half,
    )
    sweep, ways = training.sweep(), _ways(found)
    ways["as it was"] = (lr * cosine(0.5), momentum)
    losses = final_losses(
        network, training.outputs, [*sweep, *ways.values()], rest, training.test(), second_half
    )
    return _row(sweep, ways, losses, found)


def changed_rate(training: Training, seed: int, before: Row, factor: float) -> Row:
    """A tuned pair's learning rate times a factor: which momentum?"""
    torch.set_num_threads(1)
    network, batches = training.network(seed), training.batches(seed)
    tuned = best_nine(before)
    lr, friction = tuned[0] * factor, 1 - tuned[1]
    found = find(network, F.cross_entropy, batches, lr, budget=training.budget())
    ways = {
        "found": (lr, found.momentum),
        "law": (lr, max(1 - friction * factor ** (2 / 3), 0.0)),
        "effective step": (lr, max(1 - friction * factor, 0.0)),
        "nothing": (lr, tuned[1]),
    }
    sweep = [(lr, momentum) for momentum in AT_RATE]
    losses = final_losses(
        network, training.outputs, [*sweep, *ways.values()], batches, training.test(), cosine
    )
    return _row(sweep, ways, losses, found)


def changed_batch(training: Training, seed: int, before: Row) -> Row:
    """A tuned pair, and a batch of more examples: which pair?"""
    torch.set_num_threads(1)
    network, batches = training.network(seed), training.batches(seed, BATCH_FACTOR)
    lr, momentum = best_nine(before)
    budget = training.budget(BATCH_FACTOR)
    found = find(network, F.cross_entropy, batches, budget=budget, steps=len(batches))
    tuned = {"lr": lr, "momentum": momentum}
    ways: dict[str, Pair] = {"found": (found.lr, found.momentum)}
    for rule in ("law", "linear"):
        new = rescale(tuned, batch=(1, BATCH_FACTOR), rule=rule)
        assert new.momentum is not None
        ways[rule] = (new.lr, new.momentum)
    ways["nothing"] = (lr, momentum)
    sweep = training.sweep()
    losses = final_losses(
        network, training.outputs, [*sweep, *ways.values()], batches, training.test(), cosine
    )
    return _row(sweep, ways, losses, found)


def changes(training: Training, seed: int, before: Row) -> dict[str, Row]:
    """All of them, by name."""
    told = {f"lr x {factor:g}": factor for factor in RATE_FACTORS}
    found = {name: changed_rate(training, seed, before, by) for name, by in told.items()}
    return {**found, f"batch x {BATCH_FACTOR}": changed_batch(training, seed, before)}


def best_nine(row: Mapping[str, Any]) -> Pair:
    """Of a sweep's pairs with momentum 0.9 the one of the least loss."""
    nine = [each for each in row["sweep"] if each["momentum"] == NINE]
    best = min(nine, key=lambda each: math.inf if each["loss"] is None else each["loss"])
    return best["lr"], best["momentum"]


def _ways(found: Found) -> dict[str, Pair]:
    step = found.pair.step
    return {
        "found": (found.lr, found.momentum),
        "measured": (found.measured.lr, found.measured.momentum),
        "0.9 at its step": (step * (1 - NINE), NINE),
    }


def _row(
    sweep: Sequence[Pair], ways: Mapping[str, Pair], losses: Sequence[float], found: Found
) -> Row:
    def told(pair: Pair, loss: float) -> Row:
        lr, momentum = pair
        return {"lr": lr, "momentum": momentum, "loss": loss if math.isfinite(loss) else None}

    own = dict(zip(ways, losses[len(sweep) :], strict=True))
    return {
        "sweep": [told(pair, loss) for pair, loss in zip(sweep, losses, strict=False)],
        "ways": {name: told(pair, own[name]) for name, pair in ways.items()},
        "search": {
            "horizons": list(found.horizons),
            "exponent": found.exponent if math.isfinite(found.exponent) else None,
            "measured_step": found.measured.step,
            "step": found.pair.step,
            "momenta": list(found.momenta),
            "unresolved": found.unresolved,
            "bounds": list(found.bounds),
            "start": found.start,
            "loss": found.loss,
            "evaluations": found.evaluations,
            "seconds": round(found.seconds, 2),
        },
    }
