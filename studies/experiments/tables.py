"""Tables of the lab's results, from ``results/**/summary.json``."""

import ast
import re
from dataclasses import asdict
from typing import Any

import numpy as np

from flatfast.calibration import Calibration
from flatfast.lab.estimation.correction import corrected_law
from studies.experiments.cases import IMAGES
from studies.markdown import NOT_YET, table
from studies.quotes.values import ROOT, SUMMARIES, interval, load, number, ratio, read


def method_of(found: dict[str, Any], name: str) -> dict[str, Any] | None:
    """A compared method's entry in a summary."""
    methods = found["comparison"]["methods"] if found["comparison"] else []
    return next((entry for entry in methods if entry["name"] == name), None)


def best_time(method: dict[str, Any] | None) -> str:
    """Steps at a method's own best learning rate, marked where that is an end of those compared."""
    best = method and method["best"]
    if not best or best["outcome"] == "no runs":
        return "-"
    if best["outcome"] == "diverged":
        return "diverges"
    if best["outcome"] == "beyond limit":
        return f"> {best['limit']:,.0f}"
    return f"{best['time']['estimate']:,.0f} at {best['eta']:.3g}{'*' if best['end'] else ''}"


def times_the_law(found: dict[str, Any], name: str) -> str:
    """A method's steps over the law's, each at its own best learning rate."""
    if method_of(found, name) is None:
        return "-"
    ratio_ = found["speedup_best_eta"].get(name)
    told = ratio(ratio_)
    if ratio_ and ratio_["relation"] in ("=", "~"):
        high = "more" if ratio_["high"] is None else f"{ratio_['high']:.3g}"
        told += f" ({ratio_['low']:.3g} to {high})"
    return told


def results() -> str:
    """The table of experiments."""
    others = ("law with correction", "momentum 0.9", "momentum 0.99", "plain SGD")
    lines = [
        "| experiment | learning rates | exponent | best C | steps of the law | "
        f"{' | '.join(others)} |",
        f"| --- | --- | --- | --- | --- |{' --- |' * len(others)}",
    ]
    for path in SUMMARIES:
        found = read(path)
        cells = [
            f"[{path.parent.name}](results/{path.parent.name})",
            f"{min(found['etas']):.2g} to {max(found['etas']):.2g}",
            interval(found["exponent"]),
            interval(found["best_C"]),
            best_time(method_of(found, "law")),
            *(times_the_law(found, name) for name in others),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _compared() -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Summaries with a comparison by experiment, and the methods' names in order."""
    every = {path.parent.name: read(path) for path in SUMMARIES}
    every = {name: found for name, found in every.items() if found["comparison"]}
    names = [m["name"] for found in every.values() for m in found["comparison"]["methods"]]
    return every, list(dict.fromkeys(names))


def _head(every: dict[str, dict[str, Any]]) -> list[str]:
    """The head of a table with a column for each experiment."""
    return [f"| | {' | '.join(every)} |", f"| --- |{' --- |' * len(every)}"]


def comparison() -> str:
    """Every method at its own best learning rate: steps, where, and how many times the law's."""
    every, names = _compared()
    lines = _head(every)
    for name in names:
        cells = []
        for found in every.values():
            told = best_time(method_of(found, name))
            if name != found["comparison"]["reference"] and told != "-":
                told += f"; {times_the_law(found, name)}"
            cells.append(told)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def catapults() -> str:
    """The fastest time above each method's stability limit, and the share that diverged there."""
    every, names = _compared()
    lines = _head(every)
    for name in names:
        cells = []
        for found in every.values():
            method = method_of(found, name)
            above = method["beyond"] if method else []
            arrived = [entry for entry in above if entry["outcome"] == "measured"]
            if arrived:
                best = min(arrived, key=lambda entry: entry["time"]["estimate"])
                cells.append(
                    f"{best['time']['estimate']:,.0f} at {best['eta']:.3g} "
                    f"({best['diverged'] / best['runs']:.0%})"
                )
            elif any(entry["outcome"] == "beyond limit" for entry in above):
                cells.append("not within the runs")
            else:
                cells.append("diverges" if above else "-")
        if any(cell != "-" for cell in cells):
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cycles() -> str:
    """OneCycle on FashionMNIST, whose cycles were run after its other methods."""
    found = load("results/experiments/experiments.json")
    told = (found or {}).get("cycles")
    if not told:
        return NOT_YET
    law = method_of(read(ROOT / "results" / "fashion-mlp" / "summary.json"), "law")
    assert law is not None
    steps = law["best"]["time"]["estimate"]
    parts = []
    for side, where in (("below", "up to 0.95 of"), ("above", "above")):
        rows = told[side]
        times = [row["shortest"] for row in rows]
        arrived = [np.median([one or np.inf for one in own]) for own in times]
        count, longest = sum(row["cycles"] for row in rows), max(row["longest"] for row in rows)
        peaks = f"{min(row['lr'] for row in rows):.3g} to {max(row['lr'] for row in rows):.3g}"
        if np.isfinite(arrived).any():
            best = int(np.argmin(arrived))
            what = (
                f"the shortest that arrives takes {arrived[best]:,.0f} steps, at a peak of "
                f"{rows[best]['lr']:.3g}: {arrived[best] / steps:.2g} times the law's"
            )
        else:
            what = f"none arrives, so more than {longest / steps:.2g} times the law's steps"
        parts.append(f"{where} its limit (peaks {peaks}, {count} cycles of up to {longest}) {what}")
    return f"OneCycle on FashionMNIST, beside the law's {steps:,.0f} steps: {'; '.join(parts)}."


def sensitivity() -> str:
    """The exponent by each way of finding the optimum."""
    columns = {path.parent.name: read(path) for path in SUMMARIES}
    columns = {name: found for name, found in columns.items() if found["exponent"]}
    if not columns:
        return "not measured yet"
    names = [entry["name"] for entry in next(iter(columns.values()))["sensitivity"]]
    lines = [
        f"| | {' | '.join(columns)} |",
        f"| --- |{' --- |' * len(columns)}",
        "| default | "
        + " | ".join(interval(found["exponent"]) for found in columns.values())
        + " |",
    ]
    for name in names:
        cells = []
        for found in columns.values():
            entry = next((item for item in found["sensitivity"] if item["name"] == name), None)
            cells.append(interval(entry))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    jackknife = [
        f"{min(values):.3g} to {max(values):.3g}"
        for found in columns.values()
        if (values := [e["exponent"] for e in found["jackknife"]["exponents"] if e["exponent"]])
    ]
    lines.append(f"| leaving out one learning rate | {' | '.join(jackknife)} |")
    lines.append(
        "| best collapse of all times | "
        + " | ".join(interval(found["collapse"]["best_gamma"]) for found in columns.values())
        + " |"
    )
    return "\n".join(lines)


def collapses() -> str:
    """How far apart the rescaled curves are, and the exponent that brings them closest."""
    lines = [
        "| | distance of the curves rescaled by 2/3 | least distance | at the exponent |",
        "| --- | --- | --- | --- |",
    ]
    for path in SUMMARIES:
        found = read(path)["collapse"]
        cells = [
            path.parent.name,
            f"{100 * found['quality']:.1f}%",
            f"{100 * found['best_quality']:.1f}%",
            interval(found["best_gamma"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def located(found: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Learning rates with a located optimum, and the best ``1 - momentum`` at each."""
    best = [entry for entry in found["best_mu"] if entry["located"]]
    return [entry["eta"] for entry in best], [entry["estimate"] for entry in best]


def corrections() -> str:
    """The law with its first correction at finite learning rate, beside a free exponent."""
    other_goals = sorted(ROOT.glob("results/departures/*-test-error/summary.json"))
    sweeps = {path.parent.name: [path] for path in (*SUMMARIES, *other_goals)}
    for name, paths in list(sweeps.items()):
        smaller = ROOT / f"results/departures/{name}-small-lr/summary.json"
        if smaller.exists():
            sweeps[f"{name}, with its smaller learning rates"] = [smaller, *paths]
    lines = [
        "| | learning rates | misfit of a free exponent | of the corrected law | its C | its a |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, paths in sweeps.items():
        lr, best_mu = [], []
        for path in paths:
            rates, optima = located(read(path))
            lr += rates
            best_mu += optima
        fit = corrected_law(lr, best_mu)
        cells = [
            name,
            f"{min(lr):.2g} to {max(lr):.2g}",
            f"{100 * fit.power_law_misfit:.1f}%",
            f"{100 * fit.misfit:.1f}%",
            interval(asdict(fit.constant)),
            interval(asdict(fit.slope), 2),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def images() -> str:
    """The experiments on images: the sweep's C beside a calibration's, and the test error."""
    heads = ("", "exponent", "best C", "C calibrated, no run", "sweep over calibration", "runs")
    rows = []
    for name in IMAGES:
        found = load(f"results/{name}/summary.json")
        if found is None:
            continue
        swept = found["best_C"]
        cells = [interval(found["exponent"]), interval(swept)]
        measured = ROOT / "results" / name / "calibration.json"
        if measured.exists():
            ours = Calibration.from_json(measured.read_text(encoding="utf-8"))
            low, high = ours.interval
            told = f"{ours.C:.3g} ({low:.3g} to {high:.3g})"
            cells += [told if ours.ok else f"{told}; {ours.outcome}"]
            cells += [number(swept["estimate"] / ours.C) if swept else "-"]
        else:
            cells += ["not measured yet", "-"]
        rows.append([f"[{name}](results/{name})", *cells, f"{found['counts']['runs']:,}"])
    return table(heads, rows) if rows else NOT_YET


def generalization() -> str:
    """Test error at the fastest momentum, and how it differs from that at the others."""
    away = "difference to other momenta"
    heads = ("test error, cooled", "when trained", away, "after the steps of the fastest", away)
    rows = []
    for name in IMAGES:
        found = (load(f"results/{name}/summary.json") or {}).get("generalization")
        if found is None:
            continue
        cells = []
        for reading in (found["trained"], found["equal_steps"]):
            apart = reading["difference"]
            centre, low, high = (f"{100 * apart[end]:+.1f}" for end in ("estimate", "low", "high"))
            cells += [f"{100 * reading['fastest']:.1f}%", f"{centre} points ({low} to {high})"]
        rows.append([name, *cells])
    return table(heads, rows) if rows else NOT_YET


def departures() -> str:
    """The same problem with one thing changed."""
    lines = [
        "| experiment | goal | smoothing | learning rates | exponent | best C "
        "| exponent of best collapse |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted(ROOT.glob("results/departures/*/summary.json")):
        found = read(path)
        goal = found["problem"]["goal"]
        cells = [
            f"[{path.parent.name}](results/departures/{path.parent.name})",
            f"{goal['metric']} to {goal['threshold']:g} of its start",
            f"{goal['smoothing']:g}",
            f"{min(found['etas']):.2g} to {max(found['etas']):.2g}",
            interval(found["exponent"]),
            interval(found["best_C"]),
            interval(found["collapse"] and found["collapse"]["best_gamma"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def nesterov(found: dict[str, Any]) -> str:
    """Nesterov's momentum beside heavy ball: exponents, C, their ratio, and what was expected."""
    heads = (
        "",
        "exponent, heavy ball",
        "exponent, Nesterov",
        "expected",
        "C, heavy ball",
        "C, Nesterov",
        "ratio of C",
        "ratio of the best mu, from the least lr to the greatest",
        "expected",
    )
    rows = []
    for problem, own in found.get("nesterov", {}).items():
        heavy, ours = (found["experiments"][name] for name in (problem, f"{problem}-nesterov"))
        rows.append(
            [
                f"[{problem}](results/departures/{problem}-nesterov)",
                interval(heavy["exponent"]),
                interval(ours["exponent"]),
                f"{own['expected_exponent']:.2f}",
                interval(heavy["best_C"]),
                interval(ours["best_C"]),
                interval(own["C_ratio"]),
                ", ".join(f"{one['estimate']:.2f}" for one in own["ratio"]),
                ", ".join(f"{one:.2f}" for one in own["expected"]),
            ]
        )
    seeds = " and ".join(str(own["seeds"]) for own in found.get("nesterov", {}).values())
    return table(heads, rows, f"Ratios on the {seeds} seeds that both have.") if rows else NOT_YET


def template() -> str:
    """The guide to problems of one's own: the template's docstring, then its code."""
    source = (ROOT / "src/flatfast/lab/problems/template.py").read_text()
    guide = ast.get_docstring(ast.parse(source)) or ""
    code = source.split('"""', 2)[2].strip()
    # Docstrings are reStructuredText; code and literals read the same in Markdown otherwise.
    guide = re.sub(r":(?:class|func|mod):`(?:[\w.]*\.)?(\w+)`", r"`\1`", guide)
    guide = guide.replace("``", "`").replace("::\n", ":\n")
    return f"{guide}\n\n## The file\n\n```python\n{code}\n```"
