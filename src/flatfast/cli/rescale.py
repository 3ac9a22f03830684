"""``flatfast rescale``: a tuned setting at another batch or learning rate, by all rules."""

import math
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from flatfast.cli.console import Console
from flatfast.rescaling import Rescaled, Rule, Setting, rescale, rules
from flatfast.rescaling.change import ratio
from flatfast.rescaling.choice import doubts_of_kind, doubts_of_size
from flatfast.rescaling.measured import Measured, changes, kinds, measured
from flatfast.rescaling.setting import Convention
from flatfast.rescaling.words import moves, numbers

MOST_COLUMNS = 4
"""Of numbers, beside which there is room for words in a terminal of 80."""


IN_WORDS = {
    "square root": "the learning rate times the root of the batch's factor, and no more",
    "half-life at square root": "half-life at the learning rate of square-root",
    "law at linear's lr": "law at the learning rate of linear",
    "nothing": "all else as it is",
}
"""Ways that the study names otherwise than by a rule."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="rescale")(show_rescaled)


def show_rescaled(
    lr: Annotated[
        str | None,
        typer.Option(
            metavar="LR[:NEW]",
            help="The learning rate that you tuned; 0.1:0.4 asks for 0.4 in its place. Needed.",
        ),
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="The momentum that you tuned.")] = None,
    betas: Annotated[
        str | None,
        typer.Option(metavar="B1,B2", help="Adam's betas instead of a momentum, e.g. 0.9,0.999."),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="OLD:NEW",
            help="Examples in a step, on all devices together, before and after: 256:1024.",
        ),
    ] = None,
    eps: Annotated[float | None, typer.Option(help="Adam's eps.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay.")] = None,
    averaging: Annotated[
        float | None, typer.Option(help="Decay of averaged weights, e.g. 0.999.")
    ] = None,
    convention: Annotated[
        str, typer.Option(help="What momentum multiplies: heavy-ball, normalized or scale-free.")
    ] = "heavy-ball",
    rule: Annotated[str | None, typer.Option(help="One rule, told in full.")] = None,
) -> None:
    """Batch, devices or learning rate changed: what becomes of lr, momentum and the rest?

    Example: `flatfast rescale --lr 0.1 --momentum 0.9 --batch 256:1024`
    """
    if lr is None:
        raise ValueError("give the learning rate that you tuned, e.g. --lr 0.1")
    rates = _numbers("lr", lr, ":")
    if len(rates) > 2:
        raise ValueError(f"--lr takes LR or LR:NEW, for instance 0.1:0.4, got {lr!r}")
    setting = Setting(
        lr=rates[0],
        momentum=momentum,
        betas=None if betas is None else _numbers("betas", betas, ","),
        eps=eps,
        weight_decay=weight_decay,
        averaging=averaging,
        convention=_convention(convention),
    )
    change: dict[str, Any] = {
        "batch": None if batch is None else _pair(batch),
        "lr": rates[1] if len(rates) == 2 else None,
    }
    if batch is None and len(rates) == 1:
        raise ValueError(
            "say what changes: --batch 256:1024, or --lr 0.1:0.4 for another learning rate"
        )
    console = Console()
    if rule is not None:
        _tell(console, setting, rescale(setting, rule=rule, **change))
        return
    known = [each for each in rules() if _serves(each, setting, lr_alone=batch is None)]
    found = [rescale(setting, rule=each.name, **change) for each in known]
    k = 1.0 if change["batch"] is None else ratio("batch", change["batch"])
    lr_factor = rates[1] / rates[0] if len(rates) == 2 else None
    _tell_measured(console, setting, k, lr_factor)
    together = k != 1 and lr_factor is not None  # of which it has been told
    size = [] if together else doubts_of_size(k, lr_factor)
    for doubt in [*doubts_of_kind(setting, k, lr_factor), *size]:
        console.note(doubt)
    _compare(console, setting, [each for each in found if _says_something(each, found[-1])])


def _serves(rule: Rule, setting: Setting, *, lr_alone: bool) -> bool:
    """Whether a rule is made for this optimizer and this kind of change."""
    family = "adaptive" if setting.adaptive else "sgd"
    no_momentum = setting.first is None and rule.sets_momentum and rule.takes_lr
    return rule.family in (family, "any") and not no_momentum and (rule.takes_lr or not lr_alone)


def _says_something(new: Rescaled, nothing: Rescaled) -> bool:
    """Whether a rule changes more than the one that changes next to nothing, or is that one."""
    return new is nothing or new.doubts != () or numbers(new) != numbers(nothing)


def _compare(console: Console, setting: Setting, found: list[Rescaled]) -> None:
    columns = list(numbers(setting))
    # Beside many numbers the words would be a letter wide.
    beside = len(columns) <= MOST_COLUMNS
    table = Table(header_style="bold", pad_edge=False)
    table.add_column("rule", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    if beside:
        table.add_column("keeps")
    table.add_row("before", *numbers(setting).values(), style="dim")
    doubts: list[str] = []
    for each in found:
        doubts += [doubt for doubt in each.doubts if doubt not in doubts]
        marks = [f" [{doubts.index(doubt) + 1}]" for doubt in each.doubts]
        rule = Text(each.rule + "".join(marks), style="bold" if each.inside else "yellow")
        table.add_row(rule, *numbers(each).values(), *([Text(each.keeps)] if beside else []))
    console.print(table)
    if not beside:
        for each in found:
            console.say((each.rule, "bold"), " keeps ", each.keeps)
    for number, doubt in enumerate(doubts, start=1):
        console.say((f"[{number}]", "yellow"), " ", doubt)
    console.say("flatfast rescale ... --rule NAME tells where a rule is exact, and whose it is")


def _tell_measured(console: Console, setting: Setting, k: float, lr_factor: float | None) -> None:
    """Which rule spared tuning again where it was tried, at the nearest change of the kind."""
    if lr_factor is not None and k != 1:
        console.say("measured: not for a batch and a learning rate that change together")
        return
    name, factor = ("batch", k) if lr_factor is None else ("lr", lr_factor)
    for kind in (kind for kind in kinds() if kind.partition(",")[0] == _optimizer(setting)):
        change = _nearest(kind, name, factor)
        if change is not None:
            console.say(("measured", "bold"), f" ({kind}, {change}): {_served(kind, change)}")


def _optimizer(setting: Setting) -> str:
    """As the study calls it."""
    if setting.convention == "scale-free":
        return "Muon"
    return "AdamW" if setting.adaptive else "SGD"


def _nearest(kind: str, name: str, factor: float) -> str | None:
    """Of the changes measured in the same direction the one by the nearest factor."""
    own = {change: _factor(change) for change in changes(kind) if change.split()[0] == name}
    same = {change: f for change, f in own.items() if (f > 1) == (factor > 1) and factor != 1}
    return min(same, key=lambda change: abs(math.log(same[change] / factor)), default=None)


def _factor(change: str) -> float:
    _, sign, number = change.split()
    return float(number) if sign == "x" else 1 / float(number)


def _served(kind: str, change: str) -> str:
    best: Measured = measured(kind, change)[0]
    at_least = "at least " if best.worst_failures else ""
    told = f"at worst {at_least}{best.worst:.2f} times the examples of tuning again"
    way = IN_WORDS.get(best.way, best.way)
    if best.within == 0:
        return f"no rule spares tuning again; the best was {way}, {told}"
    return f"{way}, within 2% of tuning again in {best.within} of {best.cases} cases, {told}"


def _tell(console: Console, before: Setting, new: Rescaled) -> None:
    style = "bold" if new.inside else "bold yellow"
    console.say((moves(None, new), style))
    console.say("before: ", moves(None, before))
    for doubt in new.doubts:
        console.note(doubt)
    if new.keeps:
        console.say(f"{new.rule} keeps {new.keeps}")
        console.say(f"exact where {new.exact_where}")
        console.say(f"source: {new.source}")


def _pair(text: str) -> tuple[float, float]:
    both = _numbers("batch", text, ":")
    if len(both) != 2:
        raise ValueError(f"--batch takes OLD:NEW, for instance 256:1024, got {text!r}")
    return both[0], both[1]


def _numbers(name: str, text: str, between: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(between))
    except ValueError:
        example = {"lr": "0.1:0.4", "batch": "256:1024", "betas": "0.9,0.999"}[name]
        raise ValueError(f"--{name} takes numbers like {example}, got {text!r}") from None


def _convention(text: str) -> Convention:
    return text  # type: ignore[return-value]  # a setting says which are known
