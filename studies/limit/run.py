"""Parts of the study: the limit of every case first, then SGD by falling learning rate."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np

from studies.limit.analysis import analysed
from studies.limit.cases import CASES, Case, smaller
from studies.limit.ensemble import Ensemble, keep, path_of, summed_up, without_errors
from studies.limit.figure import draw
from studies.limit.problems import EPS
from studies.limit.simulation import readings_of_sgd, steps_at
from studies.study import Part, Result, Study

MICROSECONDS = 40
"""A step of a batch on a data-centre GPU, without compilation."""

PATHS_AT_ONCE = 40_000
"""Of the limit's paths in one batch."""

SEED = 0

QUICK = tuple(smaller(case) for case in CASES if case.name != "rank-one-4")


def prepare() -> None:
    """The start of matrix sensing is found in single precision: no shorter products there."""
    jax.config.update("jax_default_matmul_precision", "highest")


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """Parts of all cases."""
    for case in QUICK if quick else CASES:
        yield from parts_of(case, folder)


def parts_of(case: Case, folder: Path) -> Iterator[Part]:
    """Parts of a case."""

    def part(name: str, compute: Callable[[], Ensemble], steps: int, takes: str) -> Part:
        seconds = steps * MICROSECONDS * 1e-6 if steps else None
        done = path_of(folder, name).exists
        return Part(name, lambda: keep(folder, name, compute()), done, seconds, takes)

    count = len(case.C)
    limit = functools.partial(_mean_field, case)
    yield part(f"mean-field.{case.name}", limit, 0, f"{count} paths")
    if case.paths:
        drawn = functools.partial(_random, case)
        yield part(f"random.{case.name}", drawn, 0, f"{count * case.paths:,} paths")
    for place, lr in enumerate(case.lrs):
        steps = int(steps_at(case.times[-1], lr))
        sgd = functools.partial(_sgd, case, place)
        yield part(f"sgd.{case.name}.{lr:g}", sgd, steps, f"{steps:,} steps")


def _mean_field(case: Case) -> Ensemble:
    mean_field = case.problem().mean_field
    return without_errors(case.C, np.stack([mean_field(C)[1:].ravel() for C in case.C]))


def _random(case: Case) -> Ensemble:
    random = case.problem().random
    assert random is not None
    readings = []
    for number, C in enumerate(case.C):
        batches = []
        for first in range(0, case.paths, PATHS_AT_ONCE):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(SEED + 1), number), first)
            batches.append(random(C, min(PATHS_AT_ONCE, case.paths - first), key)[:, 1:])
        readings.append(np.concatenate(batches).reshape(case.paths, -1))
    return summed_up(case.C, np.stack(readings))


def _sgd(case: Case, place: int) -> Ensemble:
    problem = case.problem()
    found = readings_of_sgd(
        problem.model,
        problem.start,
        problem.read,
        noise_std=problem.noise_std,
        C=case.C,
        lr=case.lrs[place],
        times=case.times,
        runs=case.runs,
        key=jax.random.fold_in(jax.random.key(SEED), place),
    )
    return summed_up(case.C, found.reshape(*found.shape[:2], -1))


def collect(folder: Path, before: Result) -> Result:
    """Every case, as far as it is measured."""
    known = {entry["case"]: entry for entry in before.get("cases", [])}
    return {
        "noise_std_of_products": EPS,
        "cases": [analysed(case, folder, known.get(case.name, {})) for case in CASES],
    }


STUDY = Study(parts=parts, collect=collect, draw=draw, prepare=prepare)
