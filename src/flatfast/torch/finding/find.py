"""A pair of learning rate and momentum for any training, measured by short runs where it stands."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from flatfast.arguments import as_number, as_whole
from flatfast.calibration.calibrate import Progress
from flatfast.torch.batches import pair
from flatfast.torch.finding.batches import SameBatches
from flatfast.torch.finding.found import Found
from flatfast.torch.finding.grid import Grid
from flatfast.torch.finding.reading import carried, read
from flatfast.torch.finding.remade import Remade
from flatfast.torch.finding.result import Trial
from flatfast.torch.finding.runs import ShortRuns
from flatfast.torch.finding.schedule import Schedule, factor_of
from flatfast.torch.finding.search import Search
from flatfast.torch.landscape import Forward
from flatfast.torch.processes import processes
from flatfast.torch.progress import showing
from flatfast.torch.put_back import put_back
from flatfast.torch.trained import trained

BUDGET = 1000
"""Gradient evaluations that are spent if nothing is said."""

MOST = 10**12
"""Gradient evaluations, or steps of a training, that nobody waits for."""

SEEDS = 2**62
"""Seeds are below: those of repeats lie above the one that is given, and PyTorch's end at 2^64."""


def find(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor],
    data: Iterable[Any] | tuple[Tensor, Tensor],
    lr: float | None = None,
    *,
    budget: int = BUDGET,
    steps: int | None = None,
    optimizer: Any = None,
    schedule: Schedule = "cosine",
    params: Iterable[Tensor] | None = None,
    forward: Forward | None = None,
    seed: int = 0,
    progress: bool | Progress = False,
) -> Found:
    """Find a pair of learning rate and momentum by short runs from where training is.

    ::

        found = find(model, F.cross_entropy, loader, steps=10_000, optimizer=optimizer)
        print(found)
        for group in optimizer.param_groups:
            group["lr"], group["momentum"] = found.lr, found.momentum

    (Adam has ``group["betas"][0]`` for its momentum; a dampening that equals the momentum goes with
    it; learning rates that differ between groups are told for the first, and stay in proportion.)

    Where no law holds and nobody has tuned, this gives a start: from initial weights about the
    right learning rate, at a small part of a training's cost. It is no replacement for tuning, and
    in the middle of a training what has served is better kept: ``docs/find.md`` has how it held.

    Many pairs run for a few steps, the best of them and their neighbours for four times as many,
    all on the same batches; the grid grows from the best to where it is better. Each run goes
    through the whole schedule of the learning rate, in as many steps as it has: what is best for 50
    steps of a constant learning rate is not best for 5,000, and a schedule that ends near 0 takes
    most of that away. What is left is told: the best of the shorter runs, of the longer ones, and
    by ``steps`` the pair carried on.

    Everything is left as it was, bit for bit: weights, buffers, gradients, modes, random numbers,
    the loader's, and the optimizer, of which a copy is made that begins without state.

    Args:
        model: Any module. It runs in the mode in which it is found.
        loss_fn: ``(outputs, targets) -> scalar``.
        data: A ``DataLoader`` or other iterable of ``(inputs, targets)`` that can be read again, or
            those two as tensors, for steps that take all examples.
        lr: The learning rate, at the schedule's factor 1, where it is given and momentum alone is
            sought. By default both are.
        budget: Gradient evaluations of one batch; more make runs longer.
        steps: Of the training still to come, if known: the learning rate, where it is sought, is
            carried on to so many.
        optimizer: Yours, for its groups, weight decay, Nesterov and the like, and to start from its
            pair. By default SGD without them.
        schedule: How the learning rate goes from here to the end of training: ``"cosine"``, to 0;
            ``"constant"``; or the factor of the learning rate as a function of the share, in
            [0, 1), of the steps that are done.
        params: Parameters to be trained, where no optimizer is given; by default all that require
            gradients.
        forward: ``(model, batch) -> (outputs, targets)`` for batches of another form.
        seed: Of the random numbers within runs, of dropout for instance.
        progress: Show a bar (needs rich), or be told the evaluations made and planned.

    Returns:
        The pair, those as good, how the best moves from the shorter runs to the longer, the cost;
        ``found.ok`` is false where no pair is seen to lower the loss.

    Raises:
        TypeError: If a number is something else, ``loss_fn`` returns no tensor, or ``optimizer`` is
            none, or cannot be made anew of its groups.
        ValueError: If an argument is out of range, as a learning rate of 0; the optimizer's
            dampening is neither 0 nor its momentum, or it trains another model; the budget is too
            small to tell anything (says which would do); loss or gradient are not finite at the
            start; data can be read but once, or gives no batch; parameters are sharded or there
            are none.
        RuntimeError: If every run diverges; in one of several processes that train together.
    """
    began = time.perf_counter()
    if lr is not None:
        lr = as_number("lr", lr, "a positive number")
        if not 0 < lr < float("inf"):
            raise ValueError(f"lr must be positive and finite, got {lr:g}")
    budget = as_whole("budget", budget, "a whole number of gradient evaluations")
    if budget > MOST:
        raise ValueError(f"budget must be at most {MOST:,} gradient evaluations, got {budget}")
    if steps is not None:
        steps = as_whole("steps", steps, "a whole number of steps")
        if not 1 <= steps <= MOST:
            raise ValueError(f"steps must be at least 1 and at most {MOST:,}, got {steps}")
    seed = as_whole("seed", seed, "a whole number")
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed must be in [0, 2^62), got {seed}")
    if optimizer is not None and params is not None:
        raise ValueError("give optimizer or params, not both: the optimizer names its parameters")
    if processes() > 1:
        raise RuntimeError(
            "find runs in one process: call it before torch.distributed begins, on the batches of "
            "one process times their number"
        )
    factor = factor_of(schedule)
    if optimizer is None:
        chosen = trained(model, params)
        remade = Remade(None, chosen)
    else:
        remade = Remade(optimizer, [])
        chosen = trained(model, remade.params())
    plain = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        put_back(plain, data, chosen),
        showing(progress, "finding") as told,
    ):
        batches = SameBatches(data, chosen[0].device)
        runs = ShortRuns(model, loss_fn, batches, chosen, forward or pair, remade, factor, seed)
        try:
            grid = Grid(lr or _first(remade, runs), lr is not None, remade.averages)
            search = Search(
                grid,
                lambda place, horizon, repeat: runs.loss(grid.pair(place), horizon, repeat),
                runs,
                budget,
                lambda spent: told(round(spent), budget),
            )
            search.run()
        finally:
            runs.back()
        spent = round(runs.spent)
        told(spent, spent)
    assumed = [remade.assumed, _schedule_told(schedule)]
    if batches.came_round:
        assumed.append("runs go through the same batches again, since more would not fit in memory")
    return _found(grid, search, runs.start, steps, tuple(assumed), spent, began, remade.under_way)


def _found(
    grid: Grid,
    search: Search,
    start: float,
    steps: int | None,
    assumed: tuple[str, ...],
    spent: int,
    began: float,
    under_way: bool,
) -> Found:
    short, long = search.short, search.long
    reading = read(grid, short, long)
    # Where lr is given, longer runs have room for more momentum, too: no rule is known.
    factor = carried(long.horizon, steps) if steps is not None and not grid.given else 1.0
    return Found(
        pair=grid.moved(reading.best, factor),
        measured=grid.pair(reading.best),
        as_good=tuple(grid.pair(place) for place in reading.as_good),
        trials=tuple(
            Trial(grid.pair(place), level.horizon, tuple(level.losses[place]))
            for level in (short, long)
            for place in sorted(level.losses)
        ),
        horizons=(short.horizon, long.horizon),
        optima=(grid.pair(short.best), grid.pair(long.best)),
        exponent=reading.exponent,
        steps=steps,
        lr_given=grid.given,
        start=start,
        noise=reading.noise,
        margin=reading.margin,
        bounds=reading.bounds,
        assumed=assumed,
        evaluations=spent,
        seconds=time.perf_counter() - began,
        under_way=under_way,
    )


def _first(remade: Remade, runs: ShortRuns) -> float:
    """Effective step to begin with: the optimizer's own, or Polyak's step ``loss / |gradient|^2``.

    It is where the loss would come to 0 if it went on as steeply, which is the right order of
    magnitude, for a sum of gradients.
    """
    if remade.first is not None:
        return remade.first
    if not (runs.slope > 0 and runs.start != 0):
        raise ValueError(
            f"nothing says how long a step should be, with a loss of {runs.start:g} and a squared "
            f"gradient of {runs.slope:g}: give optimizer= or lr="
        )
    return abs(runs.start) / runs.slope


def _schedule_told(schedule: Schedule) -> str:
    if schedule == "cosine":
        return "the learning rate falls to 0 as a cosine from here on (schedule= says otherwise)"
    if schedule == "constant":
        return "the learning rate stays as it is"
    return "the learning rate goes as your schedule says"
