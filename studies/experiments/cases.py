"""The experiments whose results are committed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Experiment:
    """A recipe in full, or its runs held to another goal.

    Attributes:
        name: Its folder under ``results``.
        command: What ``flatfast`` is told to make its runs; empty where it has none of its own.
        runs_of: The experiment whose runs these are.
        goal: Options of ``flatfast report`` that change the goal.
    """

    name: str
    command: tuple[str, ...] = ()
    runs_of: str = ""
    goal: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Where its page lies, under ``results``."""
        return f"departures/{self.name}" if self.departs else self.name

    @property
    def departs(self) -> bool:
        """Whether it is a departure: it keeps a page with figures in it, and no files of them."""
        return bool(self.runs_of) or self.name in DEPARTURES


def _in_full(name: str) -> Experiment:
    return Experiment(name, ("reproduce", name, "--full"))


def _held_to(name: str, option: str, value: str) -> Experiment:
    """The same runs with another threshold or smoothing."""
    return Experiment(f"{name}-{option}-{value}", runs_of=name, goal=(f"--{option}", value))


RECIPES = ("matrix-sensing", "scalar-product", "teacher-student", "digits-mlp")
"""The paper's matrix sensing and teacher-student, and the smallest relatives of its experiments."""

DEPARTURES = ("matrix-sensing-iterate", "teacher-student-test-error", "digits-mlp-small-lr")

EXPERIMENTS = (
    *map(_in_full, (*RECIPES, *DEPARTURES)),
    _held_to("matrix-sensing", "smoothing", "0"),
    _held_to("matrix-sensing-iterate", "smoothing", "0"),
    _held_to("matrix-sensing-iterate", "smoothing", "3"),
    _held_to("teacher-student", "threshold", "0.4"),
    _held_to("digits-mlp", "threshold", "0.5"),
    _held_to("digits-mlp", "threshold", "0.6"),
)

QUICK = (
    Experiment(
        "scalar-product",
        (
            *("sweep", "scalar-product", "--lr", "0.002:0.02:3", "--momentum", "0.9:0.998:10"),
            *("--seeds", "8", "--records", "64"),
        ),
    ),
    _held_to("scalar-product", "smoothing", "0"),
)
"""A small sweep in the place of a recipe."""
