"""Options that several commands have, and the goal that they make."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flatfast.lab.problem import Problem

Out = Annotated[
    Path | None, typer.Option("--out", help="Folder of runs and report; an existing one goes on.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Delete the folder's runs and start over.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the problem; may be repeated."),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Images, for problems on real ones: a folder that holds them, or a hub id; by default "
        "FLATFAST_DATA, or the hub.",
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="Where runs are made: local (this process), processes (several), ray (a cluster) or "
        "slurm (jobs).",
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="How many at once, where the engine has workers; all by default.")
]
Cores = Annotated[int | None, typer.Option(help="Of each worker, where the engine has workers.")]
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Keep a page in the folder, progress.html, that shows how the runs go on.",
    ),
]
Gpus = Annotated[float | None, typer.Option(help="Of each worker, with --engine ray.")]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="A Ray cluster that this machine is a node of, or auto; by default RAY_ADDRESS, or "
        "one of this machine's own cores while the command runs.",
    ),
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="A setting of the jobs of --engine slurm: time (minutes), partition, account, mem, "
        "gpus_per_node, any other of sbatch, or cluster=local; may be repeated.",
    ),
]
Optimizer = Annotated[
    str | None,
    typer.Option(
        "--optimizer",
        help="sgd (by default), normalized-sgd (dampening equal to momentum), adam, adamw or muon; "
        "momentum is then beta 1 of Adam.",
    ),
]
Beta2 = Annotated[
    float | None, typer.Option("--beta2", help="Of adam, adamw and muon; 0.999 by default.")
]
Eps = Annotated[
    float | None, typer.Option("--eps", help="Of adam, adamw and muon; 1e-8 by default.")
]
WeightDecay = Annotated[
    float | None, typer.Option("--weight-decay", help="Of adamw; 0.01 by default.")
]
Adaptive = Annotated[
    bool | None,
    typer.Option(
        "--adaptive/--dense",
        help="Choose momenta, lengths and seeds as the runs go, or run a grid.",
    ),
]
Width = Annotated[
    float | None,
    typer.Option(help="An adaptive sweep ends when the exponent's 95% interval is so wide."),
]
GoalMetric = Annotated[
    str | None, typer.Option("--goal", help="Metric to bring down, e.g. cooled:test_error.")
]
Threshold = Annotated[
    float | None, typer.Option(help="How far: a fraction of its start, or a value if --absolute.")
]
Absolute = Annotated[bool, typer.Option("--absolute", help="The threshold is a value.")]
Smoothing = Annotated[
    float | None, typer.Option(help="Averaging window of the metric, in memories 1/(1-momentum).")
]


def with_goal(
    problem: "Problem",
    metric: str | None,
    threshold: float | None,
    absolute: bool,
    smoothing: float | None,
) -> "Problem":
    """The problem with the goal of the command line, where it gives one."""
    if metric is not None and metric != problem.goal.metric and threshold is None:
        raise ValueError(f"--goal {metric} needs a --threshold")
    goal = replace(
        problem.goal,
        metric=metric or problem.goal.metric,
        threshold=problem.goal.threshold if threshold is None else threshold,
        relative=problem.goal.relative if threshold is None else not absolute,
        smoothing=problem.goal.smoothing if smoothing is None else smoothing,
    )
    return replace(problem, goal=goal)
