"""Write the figures that README and docs quote, from the committed results.

A quoted block stands between ``<!-- quote:NAME -->`` and ``<!-- /quote -->``; this fills it from
``results/*/summary.json`` and ``benchmarks/results/*.json``. With ``--check`` nothing is written
and a block that is out of date is an error.

    python scripts/quote_results.py [--check]
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flatfast.lab.estimation.correction import corrected_law

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SUMMARIES = sorted(ROOT.glob("results/*/summary.json"))
BLOCK = re.compile(r"(<!-- quote:(\w+) -->\n).*?(<!-- /quote -->)", re.DOTALL)


def load(path: str) -> dict[str, Any] | None:
    """A committed result, or None where there is none yet."""
    file = ROOT / path
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def interval(value: dict[str, Any] | None, digits: int = 3) -> str:
    """``0.67 (0.65 to 0.69)``."""
    if value is None or value["estimate"] is None:
        return "not located"
    ends = (value["estimate"], value["low"], value["high"])
    centre, low, high = (f"{end:.{digits}g}" for end in ends)
    return f"{centre} ({low} to {high})"


def ratio(value: dict[str, Any] | None) -> str:
    """A speed-up with what is known of it."""
    if value is None or value["estimate"] is None:
        return "unknown"
    mark = {"=": "", ">": "> ", "<": "< "}.get(value["relation"], "")
    return f"{mark}{value['estimate']:.3g}"


def speed_up(found: dict[str, Any], name: str) -> str:
    """How much slower than the law a method is, each at its own best learning rate."""
    comparison = found["comparison"]
    if comparison is None:
        return "-"
    method = next(entry for entry in comparison["methods"] if entry["name"] == name)
    if all(entry["outcome"] == "diverged" for entry in method["at_eta"]):
        return "diverges"
    return ratio(found["speedup_best_eta"].get(name))


def results() -> str:
    """The table of experiments."""
    others = ("momentum 0.9", "momentum 0.99", "plain SGD", "plain SGD, same effective step")
    lines = [
        "| experiment | learning rates | exponent | best C | over momentum 0.9 | over 0.99 "
        "| over plain SGD | over plain SGD at the same effective step |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for path in SUMMARIES:
        found = json.loads(path.read_text())
        cells = [
            f"[{path.parent.name}](results/{path.parent.name})",
            f"{min(found['etas']):.2g} to {max(found['etas']):.2g}",
            interval(found["exponent"]),
            interval(found["best_C"]),
            *(speed_up(found, name) for name in others),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def throughput() -> str:
    """The simulator against the alternatives."""
    found = load("benchmarks/results/sweep_throughput.json")
    if found is None:
        return "not measured yet"
    rate = found["run_steps_per_second"]
    gemm = max(found["gemm_flops_per_second"].values())
    return "\n".join(
        [
            f"| {found['runs']} runs of matrix sensing (d 20, P 120) | run-steps a second | |",
            "| --- | --- | --- |",
            f"| flatfast | {rate['flatfast']:,.0f} | |",
            f"| PyTorch, `torch.optim.SGD`, one run at a time | {rate['torch_loop']:,.0f} "
            f"| flatfast is {found['speedup_over_torch_loop']:.0f} times faster |",
            f"| PyTorch, `torch.func` ensemble of the same batch | {rate['torch_ensemble']:,.0f} "
            f"| flatfast is {found['speedup_over_torch_ensemble']:.1f} times faster |",
            f"| arithmetic of the step at the machine's float32 matrix-product rate "
            f"({gemm / 1e9:.0f} Gflop/s) | {rate['flatfast'] / found['fraction_of_gemm']:,.0f} "
            f"| flatfast reaches {found['fraction_of_gemm']:.2f} of it |",
            "",
            f"({found['machine']['processor']}, {found['machine']['cores']} cores; medians of "
            f"{found['repeats']} repeats, interleaved. One record of a cooled metric costs as "
            f"much as {found['cooled_record_in_steps']:.0f} steps.)",
        ]
    )


def scaling() -> str:
    """Cost of a step by batch and by dimension."""
    found = load("benchmarks/results/sweep_throughput.json")
    if found is None:
        return "not measured yet"
    lines = ["| runs at once | microseconds a run-step |", "| --- | --- |"]
    lines += [
        f"| {row['runs']:,} | {row['microseconds_per_run_step']:.2f} |" for row in found["by_runs"]
    ]
    lines += ["", "| d (P = 6 d, 256 runs) | microseconds a run-step | of the GEMM rate |"]
    lines += ["| --- | --- | --- |"]
    lines += [
        f"| {row['dimension']} | {row['microseconds_per_run_step']:.2f} "
        f"| {row['fraction_of_gemm']:.2f} |"
        for row in found["by_dimension"]
    ]
    return "\n".join(lines)


def sensitivity() -> str:
    """The exponent by each way of finding the optimum."""
    columns = {path.parent.name: json.loads(path.read_text()) for path in SUMMARIES}
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
        found = json.loads(path.read_text())["collapse"]
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
            rates, optima = located(json.loads(path.read_text()))
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


def departures() -> str:
    """The same problem with one thing changed."""
    lines = [
        "| experiment | goal | smoothing | learning rates | exponent | best C "
        "| exponent of best collapse |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted(ROOT.glob("results/departures/*/summary.json")):
        found = json.loads(path.read_text())
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


def coverage() -> str:
    """How often intervals cover the truth in synthetic sweeps."""
    found = load("benchmarks/results/statistics_study.json")
    if found is None:
        return "not measured yet"
    rules = ("in use", "percentile", "BCa", "normal, bootstrap error")
    lines = [
        f"| {found['sets']} synthetic sweeps each | curve | {' | '.join(rules)} |",
        "| --- | --- |" + " --- |" * len(rules),
    ]
    for row in found["intervals"]:
        shares = (f"{100 * row['coverage'][rule]:.0f}%" for rule in rules)
        lines.append(f"| {row['design']} | {row['shape']} | {' | '.join(shares)} |")
    return "\n".join(lines)


def template() -> str:
    """The guide to problems of one's own: the template's docstring, then its code."""
    source = (ROOT / "src/flatfast/lab/problems/template.py").read_text()
    guide = ast.get_docstring(ast.parse(source)) or ""
    code = source.split('"""', 2)[2].strip()
    # Docstrings are reStructuredText; code and literals read the same in Markdown otherwise.
    guide = re.sub(r":(?:class|func|mod):`(?:[\w.]*\.)?(\w+)`", r"`\1`", guide)
    guide = guide.replace("``", "`").replace("::\n", ":\n")
    return f"{guide}\n\n## The file\n\n```python\n{code}\n```"


QUOTES: dict[str, Callable[[], str]] = {
    "results": results,
    "throughput": throughput,
    "scaling": scaling,
    "sensitivity": sensitivity,
    "collapse": collapses,
    "corrections": corrections,
    "departures": departures,
    "coverage": coverage,
    "template": template,
}


def quoted(text: str, root: str = "") -> str:
    """A page with its blocks filled; ``root`` is the way from the page to the project's root."""

    def fill(match: re.Match[str]) -> str:
        name = match[2]
        if name not in QUOTES:
            raise SystemExit(f"no quote {name!r}; there are {', '.join(QUOTES)}")
        block = QUOTES[name]().replace("](results/", f"]({root}results/")
        return f"{match[1]}{block}\n{match[3]}"

    return BLOCK.sub(fill, text)


def main() -> None:
    """Fill or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    check = parser.parse_args().check
    stale = []
    for page in PAGES:
        text = page.read_text()
        fresh = quoted(text, "../" * (len(page.relative_to(ROOT).parts) - 1))
        if fresh != text:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(fresh)
    if check and stale:
        sys.exit(f"out of date: {', '.join(map(str, stale))}; run: make quotes")
    print(f"{len(PAGES)} pages, {len(stale)} {'out of date' if check else 'written'}")


if __name__ == "__main__":
    main()
