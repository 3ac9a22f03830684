"""The experiments whose results are committed."""

from dataclasses import dataclass

from flatfast.lab.images import CIFAR10, FASHION_MNIST
from flatfast.lab.recipes import recipe_of

IMAGES = {"fashion-mlp": FASHION_MNIST, "cifar-resnet": CIFAR10}
"""Experiments on images, and the set that each needs."""


@dataclass(frozen=True)
class Experiment:
    """A recipe in full, or its runs held to another goal.

    Attributes:
        name: Its folder under ``results``.
        command: What ``flatfast`` is told to make its runs; empty where it has none of its own.
        runs_of: The experiment whose runs these are.
        goal: Options of ``flatfast report`` that change the goal.
        calibrated: What ``flatfast calibrate`` is told to find C without a run, where it is to be
            beside the sweep's; empty where the calibration study has it.
    """

    name: str
    command: tuple[str, ...] = ()
    runs_of: str = ""
    goal: tuple[str, ...] = ()
    calibrated: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Where its page lies, under ``results``."""
        return f"departures/{self.name}" if self.departs else self.name

    @property
    def departs(self) -> bool:
        """Whether it is a departure: it keeps a page with figures in it, and no files of them."""
        return bool(self.runs_of) or self.name in DEPARTURES


def _in_full(name: str) -> Experiment:
    calibrated: tuple[str, ...] = ()
    if name in IMAGES:
        recipe = recipe_of(name, "full")
        middle = sorted(recipe.lr)[len(recipe.lr) // 2]
        settings = (f"{key}={value}" for key, value in recipe.settings.items())
        sets = (word for pair in settings for word in ("--set", pair))
        calibrated = ("calibrate", name, "--lr", str(middle), *sets)
    return Experiment(name, ("reproduce", name, "--full"), calibrated=calibrated)


def _held_to(name: str, option: str, value: str) -> Experiment:
    """The same runs with another threshold or smoothing."""
    return Experiment(f"{name}-{option}-{value}", runs_of=name, goal=(f"--{option}", value))


NESTEROV = {name: f"{name}-nesterov" for name in ("matrix-sensing", "teacher-student")}
"""By problem, the departure whose runs have the other kind of momentum, and seeds in common."""

RECIPES = ("matrix-sensing", "scalar-product", "teacher-student", "digits-mlp", *IMAGES)
"""The paper's experiments, those on images in a small size, and their smallest relatives."""

DEPARTURES = (
    "matrix-sensing-iterate",
    "teacher-student-test-error",
    "digits-mlp-small-lr",
    *NESTEROV.values(),
    "fashion-mlp-nesterov",  # its budget gave no exponent to stand beside heavy ball's
)

WAITING = ("cifar-resnet-gpu",)
"""Departures that have not been run: they wait for a GPU (:mod:`studies.gpu`)."""

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
