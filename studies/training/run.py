"""Does momentum that follows the learning rate help? Perceptrons on small images, in PyTorch.

Three kinds of run (label noise from an interpolating start; label noise from Kaiming's; ordinary
minibatch SGD) under three schedules of the learning rate. Momentum 0.9 with a constant learning
rate is tuned first, on validation images; that pair gives the law its C. Then every method runs at
every learning rate.

    python -m studies.training [digits|fashion] [--seeds 8] [--workers 2]

Runs are appended to ``results/training/TASK.jsonl`` as they end: stopped at any time,
the same command goes on, and more seeds add to what is there. The result is
``results/training/TASK.json``, with figures beside it.
"""

import argparse
import json
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flatfast.lab.machine import machine, usable_cores
from studies.training.analysis import summarise, tuned_lr
from studies.training.curves import gather
from studies.training.figure import draw_all
from studies.training.methods import EXPONENTS, PAIRS, REFERENCE, Method, transferred
from studies.training.runs import complete, read
from studies.training.tasks import TASKS
from studies.training.train import Run

RESULTS = Path(__file__).resolve().parents[2] / "results" / "training"


def main() -> None:
    """Run what is missing, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("task", nargs="?", choices=TASKS, default="digits")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--workers", type=int, default=usable_cores())
    chosen = parser.parse_args()
    task, path = TASKS[chosen.task], RESULTS / f"{chosen.task}.jsonl"
    seeds = range(chosen.seeds)

    reference = [
        Run(task.name, kind, Method(*REFERENCE, lr), seed)
        for kind in task.kinds
        for seed in seeds
        for lr in task.lrs
    ]
    _run("momentum 0.9, to be tuned", reference, path, chosen.workers)
    rows = read(path)
    tuned = {kind.name: tuned_lr(gather(rows, task, kind)[REFERENCE]) for kind in task.kinds}
    others = [
        Run(
            task.name,
            kind,
            Method(
                name,
                schedule,
                lr,
                transferred(name, tuned[kind.name]).C if name in EXPONENTS else None,
            ),
            seed,
        )
        for seed in seeds
        for kind in task.kinds
        for name, schedule in PAIRS
        if (name, schedule) != REFERENCE
        for lr in task.lrs
    ]
    _run("everything else", others, path, chosen.workers)

    rows = read(path)
    result = {
        "machine": machine(),
        "kinds": [summarise(rows, task, kind) for kind in task.kinds],
    }
    path.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    draw_all(result, path.parent, task.name)


def _run(title: str, runs: list[Run], path: Path, workers: int) -> None:
    bar = Progress(
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeRemainingColumn(),
    )
    with bar:
        shown = bar.add_task(title, total=len(runs))
        for left in complete(runs, path, workers):
            bar.update(shown, completed=len(runs) - left)


if __name__ == "__main__":
    main()
