"""What the page says to readers who are new here: its words, and what its result means for them."""

from collections.abc import Mapping
from typing import Any

from flatfast.lab.estimation.conventions import convention_of
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.goal import COOLED
from flatfast.lab.report.markup import Markup, definitions, element, formula, join, unfolding
from flatfast.lab.report.typography import fixed, metric_name, number, rate

FACTOR = 4.0
"""By how much a learning rate is changed in the example."""

EXAMPLES = (0.9, 0.99)
"""Momenta that people have."""


def glossary(summary: Mapping[str, Any]) -> Markup:
    """The words of this page that not everybody knows, folded away."""
    goal = summary["problem"]["goal"]
    constant = CONSTANT if convention_of(summary).power == 1 else NORMALIZED_CONSTANT
    words = [("goal", _goal(goal)), ("steps to the goal", STEPS), ("C", constant)]
    if goal is not None and str(goal["metric"]).startswith(COOLED):
        words.insert(1, ("cooled", COOLING))
    if summary["forecast"] is not None:
        words.append(("limit dynamics", LIMIT))
    return unfolding("Words on this page", definitions(words))


STEPS = (
    "Training steps until the metric is at the goal and stays there. A run that crosses it and "
    "swings back has not arrived; one that never stays there counts as longer than the run."
)
CONSTANT = (
    "The number in front of the law, 1 − momentum = C · lr to the power 2/3. It belongs to one "
    "problem with its noise and batch: another model has another C."
)
NORMALIZED_CONSTANT = (
    "The number in the law of momentum that averages gradients, 1 − momentum = C³ · lr². For SGD "
    "it is the same C as in heavy ball's law, 1 − momentum = C · lr to the power 2/3."
)
COOLING = (
    "Before the metric is read, a copy of the weights descends without noise to zero loss. The "
    "metric then says how flat a minimum the run has drifted to, and not how much it shakes."
)
LIMIT = (
    "What theory makes of training when the learning rate goes to zero: equations for the drift "
    "along the zero-loss solutions, in which the learning rate appears no more. They are solved "
    "before any run of SGD is made."
)


def _goal(goal: Mapping[str, Any] | None) -> str:
    about = "What a run has to bring down, and how far"
    if goal is None:
        return f"{about}; the manifest of these runs does not say."
    ends = rate(goal["threshold"])
    if goal.get("relative", False):
        ends += " of its value at the start"
    return f"{about}: here {metric_name(goal['metric'])}, to {ends}."


def meaning(summary: Mapping[str, Any]) -> Markup:
    """What the result means for somebody who trains, in plain words; nothing without a result."""
    exponent = summary["exponent"]
    convention = convention_of(summary)
    if exponent is None or not convention.plain:
        return formula("")
    if convention.power != 1:
        return element("ul", join(element("li", formula(item)) for item in EDGE), class_="meaning")
    widened = FACTOR**LAW
    told = [f"{m:g} becomes {1 - widened * (1 - m):.3g}" for m in EXAMPLES]
    said = [
        "If you have a learning rate and a momentum that serve you, keep them. When you change the "
        "learning rate, change the momentum too: for a learning rate times "
        f"{number(FACTOR, 1)}, multiply 1 − momentum by {number(FACTOR, 1)}^(2/3) = "
        f"{number(widened, 2)}, so that {' and '.join(told)} (flatfast momentum --lr 0.4 --like "
        "0.1:0.9 does the arithmetic).",
        "Carry the rule over to your model, and not the number: C is of this problem alone.",
        "It is about one phase of training: the loss is near zero, noise is drawn afresh at every "
        "step, and what takes time is the drift to flatter minima. It does not say how to get to "
        "low loss quickest: from a fresh initialisation take what flatfast rescale says.",
    ]
    held = _held(summary)
    if held:
        said.insert(1, held)
    items = join(element("li", formula(item)) for item in said)
    return element("ul", items, class_="meaning")


EDGE = (
    "Momentum here averages gradients. At one learning rate the drift to flatter minima takes as "
    "many steps at any momentum, up to an edge beyond which the weights swing: below it momentum "
    "costs nothing, and it widens the range of learning rates that are stable.",
    "The edge moves with the square of the learning rate: for twice the learning rate, keep "
    "1 − momentum at four times the least that served.",
    "It is about one phase of training: the loss is near zero, noise is drawn afresh at every "
    "step, and what takes time is the drift to flatter minima. It does not say how to get to "
    "low loss quickest.",
)


def _held(summary: Mapping[str, Any]) -> str:
    """How much the measured exponent matters within the sweep, where it is not the law's."""
    verdict = next((v for v in summary["verdicts"] if abs(v["value"] - LAW) < 1e-9), None)
    if verdict is None or verdict["inside"]:
        return ""
    estimate = summary["exponent"]["estimate"]
    located = [entry["eta"] for entry in summary["best_mu"] if entry["located"]]
    apart = (max(located) / min(located)) ** (abs(estimate - LAW) / 2)
    return (
        f"Here the best exponent is {fixed(estimate)} and not 2/3. At the ends of this sweep, "
        f"learning rates {rate(min(located))} and {rate(max(located))}, a law with 2/3 misses the "
        f"best 1 − momentum by a factor of {number(apart, 3)}."
    )
