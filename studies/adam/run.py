"""The study's parts: rates, times over both betas, minima, and trainings from scratch."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from studies.adam import cases
from studies.adam.analysis import analysis
from studies.adam.figure import draw
from studies.adam.measure import minima, over_beta2, over_squares, rates, scratch, swept, told_speed
from studies.study import Part, Result, Study, json_part, kept_parts, part_name
from studies.transfer.tasks import tasks

RATES: tuple[tuple[str, Sequence[float], Sequence[tuple[float, float]]], ...] = (
    ("rates", cases.RATES_NOISE, cases.RATES_BETAS),
    ("quiet", cases.QUIET_NOISE, cases.QUIET_BETAS),
)


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """What is told by theory first, the dearest last."""
    seeds = 4 if quick else cases.BETA2_SEEDS
    for lr in (0.05,) if quick else cases.RATES_LR:
        runs = 50 if quick else cases.RATES_RUNS
        for kind, noises, betas in RATES[:1] if quick else RATES:
            compute = partial(rates, lr, runs, noises, betas)
            yield json_part(folder, part_name(kind, f"{lr:g}"), compute)
    for whole in cases.SWEPT[:1] if quick else cases.SWEPT:
        case = cases.quick(whole) if quick else whole
        for lr in reversed(case.lr):
            name = part_name("swept", case.key, f"{lr:g}")
            yield json_part(folder, name, partial(swept, case, lr))
    if not quick:
        again = partial(over_beta2, cases.BETA2_LR, seeds, cases.BETA2_LENGTH)
        yield json_part(folder, "beta2", again)
        for case in (cases.SENSING, cases.STUDENT, cases.SMOOTH, cases.DIGITS):
            name = part_name("told", case.key)
            yield json_part(folder, name, partial(told_speed, case))
        squares = partial(over_squares, cases.DIGITS, cases.SQUARES_LR, cases.SQUARES_BETA1)
        yield json_part(folder, part_name("squares", cases.DIGITS.key), squares)
        for case, lr, sgd_lr, count, longer in cases.MINIMA:
            ends = partial(minima, case, lr, sgd_lr, count, longer)
            yield json_part(folder, part_name("minima", case.key), ends)
        for task, count in cases.SCRATCH_TASKS.items():
            for beta1 in cases.SCRATCH_BETA1:
                name = part_name("scratch", task, f"{beta1:g}")
                needs = tasks()[task].needs()
                yield json_part(folder, name, partial(scratch, task, beta1, count), needs=needs)


def collect(folder: Path, before: Result) -> Result:
    """What is in the folder over what was there before, and what it says."""
    kept = {
        kind: {**before.get("parts", {}).get(kind, {}), **kept_parts(folder, kind)}
        for kind in ("rates", "quiet", "swept", "told", "beta2", "squares", "minima", "scratch")
    }
    return {"parts": kept, **analysis(kept)}


STUDY = Study(parts, collect, draw)
