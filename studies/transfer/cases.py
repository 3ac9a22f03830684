"""Which parts there are: what is tuned, and what is compared once that is known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from studies.study import Result, part_name
from studies.transfer.compare import BASE
from studies.transfer.optimizers import Optimizer
from studies.transfer.tasks import Schedule, Task, shortened, tasks
from studies.transfer.tuning import COARSE_RUNGS, FINE_STEPS, FIXED_LR_RUNGS, STEPS, WIDTH
from studies.transfer.ways import CHANGES, Change, ways


@dataclass(frozen=True)
class Case:
    """A task with an optimizer and a schedule."""

    task: Task
    optimizer: Optimizer
    schedule: Schedule

    def name(self, *words: str) -> str:
        """Of one of its parts."""
        return part_name(self.task.name, self.optimizer, self.schedule, *words)

    def tuned_name(self, change: str) -> str:
        """Of what tunes it after a change."""
        return self.name("tuned", change)


def cases(quick: bool) -> Iterator[Case]:
    """The cases, the cheapest tasks first; for a quick look one of them."""
    for task in tasks().values():
        own = shortened(task) if quick else task
        for optimizer, schedule in own.trained:
            yield Case(own, optimizer, schedule)
        if quick:
            return


def changes(quick: bool) -> tuple[Change, ...]:
    """The changes; for a quick look one of each sort."""
    return (CHANGES[2], CHANGES[4]) if quick else CHANGES


def compared(case: Case, quick: bool) -> dict[str, list[Change]]:
    """The changes that are compared in one part, those with one batch, by the part's name."""
    found: dict[str, list[Change]] = {}
    for change in changes(quick):
        batch = change.batch(case.task.batch)
        found.setdefault(case.name("compared", f"batch-{batch}"), []).append(change)
    return found


def ready(case: Case, together: list[Change], tuned: Mapping[str, Result]) -> bool:
    """Whether all that a comparison starts from is tuned."""
    names = (BASE, *(change.name for change in together))
    return all(case.tuned_name(name) in tuned for name in names)


def tuning_runs(case: Case, change: str) -> int:
    """Runs that tuning takes, unless its grid moves."""
    effort = case.task.effort
    if change.startswith("lr"):
        return len(FIXED_LR_RUNGS) * (effort.fine + effort.last)
    coarse = len(COARSE_RUNGS) * len(STEPS[case.optimizer]) * effort.coarse
    fine = 3 * len(FINE_STEPS) * effort.fine * (2 if case.optimizer == "AdamW" else 1)
    return coarse + fine + WIDTH * effort.last


def compared_runs(case: Case, together: list[Change]) -> int:
    """Runs that a comparison takes."""
    count = sum(1 + len(ways(case.optimizer, change)) for change in together)
    return count * case.task.effort.compared
