"""Tables of ``results/transfer/transfer.json``: which rule carries a tuned setting."""

from collections.abc import Mapping, Sequence
from typing import Any

from studies.markdown import NOT_YET, table
from studies.study import Result
from studies.transfer.tasks import tasks
from studies.transfer.verdict import DOES_NOT, TRANSFERS, UNDECIDED, WITHIN
from studies.transfer.ways import CHANGES, shown

BETTER = f"within {100 * WITHIN:.0f}%"


def matrix(found: Result) -> str:
    """By kind of training and change, the way with the best share within 2%."""
    if not found["matrix"]:
        return NOT_YET
    rows = [
        [kind, *(_best(changes.get(change.name, [])) for change in CHANGES)]
        for kind, changes in found["matrix"].items()
    ]
    note = (
        f"Cases, which are tasks and schedules, in which it takes at most {100 * WITHIN:.0f}% more "
        "examples to the target than the setting tuned again, and no more of its runs fail; then "
        "its worst case. Ways with as good a share and a worse worst case are left out"
    )
    return table(("training", *_CHANGE_HEADS), rows, note)


_CHANGE_HEADS = tuple(shown(change.name) for change in CHANGES)


def _best(ways: Sequence[Mapping[str, Any]]) -> str:
    if not ways:
        return "not measured"
    best = ways[0]
    share = f"{best['within']} of {best['cases']}, worst {_worst(best)}"
    return (
        f"{best['way']}: {share}" if best["within"] else f"none (least bad {best['way']}: {share})"
    )


def _worst(way: Mapping[str, Any]) -> str:
    """The worst case; where runs of it failed it is at least so bad."""
    return f"{'≥ ' if way['worst_failures'] else ''}{way['worst']:.2f}"


def ways(found: Result) -> str:
    """Every way of every kind of training and change: how often it served."""
    if not found["matrix"]:
        return NOT_YET
    rows = [
        [
            kind,
            shown(change),
            way["way"],
            f"{way['within']} of {way['cases']}",
            str(way["transfers"]),
            _worst(way),
            f"{way['failures']} of {way['runs']}",
            str(way["outside"]) if way["outside"] else "",
        ]
        for kind, changes in found["matrix"].items()
        for change, every in changes.items()
        for way in every
    ]
    heads = (
        "training",
        "change",
        "way",
        BETTER,
        "transfers",
        "worst case",
        "runs that failed",
        "cases outside of its domain",
    )
    return table(heads, rows)


def everything(found: Result) -> str:
    """Every comparison."""
    if not found["comparisons"]:
        return NOT_YET
    heads = (
        "task, optimizer, schedule",
        "change",
        "way",
        "setting",
        "tuned again",
        "samples / tuned again",
        "failed",
        "final loss",
        "accuracy",
        "verdict",
    )
    rows = [
        [
            f"{entry['task']}, {entry['optimizer']}, {entry['schedule']}",
            shown(entry["change"]),
            entry["way"] + (" (outside)" if entry["doubts"] else ""),
            _setting(entry["optimizer"], entry["setting"]),
            _setting(entry["optimizer"], entry["oracle"]) + _bound(entry["bounds"]),
            _ratio(entry["ratio"]),
            _failed(entry["ratio"]),
            f"{_loss(entry['loss'])} / {_loss(entry['oracle_loss'])}",
            f"{100 * entry['accuracy']:.1f}% / {100 * entry['oracle_accuracy']:.1f}%",
            entry["verdict"],
        ]
        for entry in found["comparisons"]
    ]
    return table(heads, rows, "Loss and accuracy at the end of the run / tuned again")


def _setting(optimizer: str, setting: Mapping[str, float]) -> str:
    first = f"lr {setting['lr']:.3g}, {_decay(setting['first'])}"
    return first + (f", {_decay(setting['second'])}" if optimizer == "AdamW" else "")


def _decay(value: float) -> str:
    """With as many digits as show how far it is from 1."""
    return f"{value:.3f}" if value < 0.99 else f"{value:.5f}".rstrip("0")


def _bound(bounds: Sequence[str]) -> str:
    return f" ({' and '.join(bounds)} at the grid's end)" if bounds else ""


def _ratio(ratio: Mapping[str, Any]) -> str:
    least = "≥ " if ratio["failures"] else ""
    return f"{least}{ratio['estimate']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"


def _failed(ratio: Mapping[str, Any]) -> str:
    own = f"{ratio['failures']} of {ratio['seeds']}"
    return own + (f" (tuned again {ratio['oracle_failures']})" if ratio["oracle_failures"] else "")


def _loss(value: float | None) -> str:
    return "infinite" if value is None else f"{value:.4f}"


def verdicts(found: Result) -> str:
    """How many comparisons of each task came to each verdict."""
    if not found["comparisons"]:
        return NOT_YET
    entries = found["comparisons"]
    rows = []
    for task in dict.fromkeys(entry["task"] for entry in entries):
        own = [entry for entry in entries if entry["task"] == task]
        counts = [sum(e["verdict"] == v for e in own) for v in (TRANSFERS, UNDECIDED, DOES_NOT)]
        seeds = own[0]["ratio"]["seeds"]
        same = sum(e["verdict"] == TRANSFERS and e["setting"] == e["oracle"] for e in own)
        rows.append([task, str(seeds), str(len(own)), *map(str, counts), str(same)])
    heads = ("task", "seeds", "comparisons", TRANSFERS, UNDECIDED, DOES_NOT, "the very setting")
    note = (
        "The last are those of the first verdict whose way comes to the very setting that tuning "
        "again chose from its grid: the same runs, without an interval"
    )
    return table(heads, rows, note)


def bases(found: Result) -> str:
    """What every change starts from: the settings tuned at the first batch."""
    if not found["bases"]:
        return NOT_YET
    known = tasks()
    rows = [
        [
            f"{base['task']}: {known[base['task']].about}",
            f"{base['optimizer']}, {base['schedule']}",
            str(base["batch"]),
            f"{known[base['task']].samples:,}",
            _setting(base["optimizer"], base["setting"]),
            _loss(base["loss"]),
            f"{100 * base['accuracy']:.1f}%",
            str(base["seeds"]),
        ]
        for base in found["bases"]
    ]
    heads = ("task", "", "batch", "examples", "tuned", "final loss", "accuracy", "seeds")
    return table(heads, rows, f"The text of the help has the checksum {found['text']}")


def promises_sgd(found: Result) -> str:
    """SGD's rules on a quadratic: how far mean and variance per sample are from those before."""
    if not found["promises"]:
        return NOT_YET
    rows = [
        [
            entry["case"],
            _factor(entry["factor"]),
            entry["rule"] + ("" if entry["inside"] else " (outside)"),
            f"{entry['lr']:.3g}",
            _decay(entry["momentum"]),
            f"{entry['mean']:.3g}",
            f"{entry['variance']:.3g}",
        ]
        for entry in found["promises"]["sgd"]
    ]
    heads = ("", "batch", "rule", "lr", "momentum", "mean", "variance")
    note = "Largest deviation from the path before the change, per sample, over its largest value"
    return table(heads, rows, note)


def promises_lr(found: Result) -> str:
    """The same rules at another learning rate: what becomes of damping and of slow directions."""
    if not found["promises"]:
        return NOT_YET
    rows = [
        [
            _factor(entry["factor"]),
            entry["rule"],
            _decay(entry["momentum"]),
            f"{entry['damping']:.3g}",
            f"{entry['rate']:.3g}",
        ]
        for entry in found["promises"]["lr"]
    ]
    heads = ("lr", "rule", "momentum", "damping, over that before", "rate of a slow direction")
    return table(heads, rows)


def promises_adam(found: Result) -> str:
    """Adam's on a quadratic whose gradients are nearly all noise."""
    if not found["promises"]:
        return NOT_YET
    rows = [
        [
            _factor(entry["factor"]),
            entry["rule"] + ("" if entry["inside"] else " (outside)"),
            f"{entry['lr']:.3g}",
            ", ".join(_decay(beta) for beta in entry["betas"]),
            f"{entry['mean']:.3g}",
            f"{entry['spread']:.3g}",
        ]
        for entry in found["promises"]["adam"]
    ]
    chains = found["promises"]["chains"]
    note = (
        f"Largest deviation per sample over the largest value, {chains:,} chains; the first row is "
        "chance alone"
    )
    heads = ("batch", "rule", "lr", "betas", "mean", "standard deviation")
    return table(heads, rows, note)


def _factor(factor: float) -> str:
    return "as before" if factor == 1 else f"× {factor:g}" if factor > 1 else f"÷ {1 / factor:g}"
