"""Tables of the benchmarks, from ``results/speed/*.json``."""

import statistics
from typing import Any

from benchmarks.engine_tables import engine_driver, engine_kills, engine_starts, engines
from studies.markdown import NOT_YET, between, table
from studies.quotes.values import load

# Pages quote benchmarks.TABLE: those of the engines as well.
__all__ = ["engine_driver", "engine_kills", "engine_starts", "engines"]


def throughput() -> str:
    """The simulator against the alternatives."""
    found = load("results/speed/sweep_throughput.json")
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
    found = load("results/speed/sweep_throughput.json")
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


def networks() -> str:
    """The simulator on the lab's networks, beside PyTorch and the machine's own rates."""
    found = load("results/speed/network_throughput.json")
    if found is None:
        return NOT_YET
    rows, notes = [], []
    for case in found["cases"]:
        rates = case["run_steps_per_second"]
        product = max(v for n, v in case["flops_per_second"].items() if n.startswith("product_"))
        shares = [between(case["share_of_gemm"])]
        notes.append(f"{case['problem']}: {product / 1e9:.0f} Gflop/s")
        if "share_of_convolution" in case:
            shares.append(between(case["share_of_convolution"]))
            oneDNN = case["flops_per_second"]["convolutions"] / 1e9
            notes[-1] += f", oneDNN at its shapes {oneDNN:.0f}"
        rows.append(
            [
                f"`{case['problem']}`, {case['flops_of_a_run_step'] / 1e6:.0f} Mflop a run-step",
                f"{rates['flatfast']:.0f}",
                between(case["over_torch_loop"]),
                between(case["over_torch_ensemble"]),
                shares[0],
                shares[1] if len(shares) > 1 else "",
            ]
        )
    heads = (
        "problem",
        "flatfast, run-steps a second",
        "over a PyTorch loop",
        "over a `torch.func` ensemble",
        "of the matrix product's rate",
        "of oneDNN's convolutions'",
    )
    machine, load_ = found["machine"], found["load"]
    cores = f"{machine['cores']} core{'s' if machine['cores'] > 1 else ''}"
    note = (
        f"{machine['processor']}, {cores}, {found['cases'][0]['runs']} runs at once; medians of "
        f"{found['repeats']} repeats, interleaved, with the middle half of them. Other work ran "
        f"beside it: load {load_['before']:.1f} before, {load_['after']:.1f} after. Matrix product "
        f"in the same repeats, {'; '.join(notes)}."
    )
    return table(heads, rows, note)


def memory() -> str:
    """What a batch of runs takes, as told beforehand and as measured."""
    found = load("results/speed/chunk_memory.json")
    if found is None:
        return NOT_YET
    rows = [
        [
            f"`{row['problem']}`",
            f"{row['width']:,}",
            f"{row['predicted'] / 1e6:.1f}",
            f"{row['measured'] / 1e6:.1f}",
            f"{row['ratio']:.2f}",
        ]
        for row in found["rows"]
    ]
    heads = ("problem", "runs at once", "predicted, MB", "measured, MB", "ratio")
    machine = found["machine"]
    return table(heads, rows, f"{machine['processor']}, one device; medians of three peaks.")


def calibration() -> str:
    """What a calibration costs in training steps."""
    found = load("results/speed/calibration_cost.json")
    if found is None:
        return NOT_YET
    rows = [
        [
            row["model"],
            f"{entry['budget']}",
            f"{entry['evaluations']}",
            f"{entry['steps']['estimate']:.0f}",
            between(entry["over_counted"]),
            f"{entry['bytes'] / 1e6:.0f} ({row['step_bytes'] / 1e6:.0f})",
        ]
        for row in found["rows"]
        for entry in row["budgets"]
    ]
    heads = (
        "model",
        "budget",
        "gradient evaluations counted",
        "time, in training steps",
        "over what is counted",
        "peak memory, MB (a step's)",
    )
    machine = found["machine"]
    note = (
        f"{machine['processor']}, one thread; medians of {found['repeats']} interleaved turns, and "
        "the middle half of them. Peaks are above what the process held before"
    )
    return table(heads, rows, note)


STORED = {
    "open": "open it for a sweep",
    "open_anew": "the same of a copy, of which no index knows",
    "append": "append a chunk of 256 runs",
    "go_on": "the rows of 1,000 runs that a sweep finds stored",
    "one_run": "the row of one run",
    "read_scalars": "all rows without trajectories",
    "read_all": "all rows with them",
    "report": "`flatfast report`",
}
"""What is timed of a store, and what it is called."""

BEFORE = {"open_anew": "open"}
"""Under what name the same was timed before there was an index."""


def store() -> str:
    """What a store of many runs costs, now and before there was an index of it."""
    found = load("results/speed/store_size.json")
    if found is None or "now" not in found:
        return NOT_YET
    now, before = found["now"]["sizes"], found["before"]["sizes"]
    rows = []
    for name, told in STORED.items():
        cells = []
        for size in now:
            cell = _seconds(now[size][name])
            then = before.get(size, {}).get(BEFORE.get(name, name))
            cells.append(cell if then is None else f"{cell} ({_seconds(then)})")
        rows.append([told, *cells])
    for name in ("read_all", "report"):
        told = f"peak memory of {STORED[name].removeprefix('all ')}, MB"
        cells = [
            f"{now[size][name]['peak_mb']:,.0f} ({before[size][name]['peak_mb']:,.0f})"
            for size in now
        ]
        rows.append([told, *cells])
    heads = (
        "seconds of the processor, and in brackets before",
        *(f"{int(size):,} runs" for size in now),
    )
    machine = found["now"]["machine"]
    load_ = [one["load"][when] for one in now.values() for when in ("before", "after")]
    note = (
        f"{machine['processor']}, {machine['cores']} cores, one thread; 64 records of two metrics, "
        "0.7 kB a run on the disk, files that the system had read before. Medians of three, the "
        "report once. Other work ran beside it, so that the clock said more: load "
        f"{min(load_):.1f} to {max(load_):.1f}."
    )
    return table(heads, rows, note)


def _seconds(measured: dict[str, Any]) -> str:
    seconds = statistics.median(measured["cpu_seconds"])
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"


def overhead() -> str:
    """A step's cost, coupled over plain."""
    found = load("results/speed/optimizer_overhead.json")
    if found is None:
        return "not measured yet"
    lines = ["| a step's time over `torch.optim.SGD`'s | learning rate |", "| --- | --- |"]
    cells: dict[tuple[str, str], list[str]] = {}
    for row in found["steps"]:
        for method, ratio in row["ratio"].items():
            cell = f"{ratio['estimate']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"
            name = f"`{method}`, {row['implementation']}"
            cells.setdefault((name, row["lr"]), []).append(cell)
    for tensors in dict.fromkeys(row["tensors"] for row in found["steps"]):
        lines[0] += f" {tensors:,} tensor{'s' if tensors > 1 else ''} |"
        lines[1] += " --- |"
    lines += [f"| {name} | {lr} | {' | '.join(row)} |" for (name, lr), row in cells.items()]
    machine, version = found["machine"], found["torch"].partition("+")[0]
    note = (
        f"({machine['processor']}, one thread, PyTorch {version}, tensors of "
        f"{found['numbers_per_tensor']} numbers; medians of {found['turns']} interleaved turns, "
        "with 95% intervals.)"
    )
    return "\n".join([*lines, "", note])


GAUGE = {
    "not read": "not read",
    "line": "a log line in 100 steps",
    "numbers": "numbers in 100 steps",
    "progress bar": "a progress bar's words in 100 steps",
    "page": "a page, written every 0.05 seconds at most",
}
"""How a gauge is read, and what that is called."""


def gauge() -> str:
    """A step's cost with a gauge over that without."""
    found = load("results/speed/gauge_overhead.json")
    if found is None:
        return NOT_YET
    rows = []
    for name, told in GAUGE.items():
        cells = []
        for row in found["steps"]:
            ratio = row["ratio"][name]
            cells.append(f"{ratio['estimate']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})")
        rows.append([told, *cells])
    parts = found["parts_microseconds"]
    hook, most = parts["after a step"], max(parts[name] for name in list(GAUGE)[1:4])
    spent = hook + most / found["every"]
    plain = [row["microseconds"]["plain"] for row in found["steps"]]
    rows.append(
        [
            "the dearest reading in 100 steps, by its parts",
            *(f"{1 + spent / one:.3f}" for one in plain),
        ]
    )
    sizes = [
        f"{row['tensors']:,} tensor{'s' if row['tensors'] > 1 else ''} "
        f"({row['microseconds']['plain']:,.0f} microseconds)"
        for row in found["steps"]
    ]
    turns = ", ".join(str(row["turns"]) for row in found["steps"])
    version, numbers = found["torch"].partition("+")[0], found["numbers_per_tensor"]
    note = (
        f"{found['machine']['processor']}, one thread, PyTorch {version}, tensors of {numbers} "
        f"numbers; medians of {turns} interleaved turns of the process's own time, with 95% "
        "intervals, on a machine with much other work, by which they scatter. The last line adds "
        f"up what was timed by itself, of one parameter group: {hook:.2g} microseconds after a "
        f"step, {most:.0f} for the dearest of the three readings."
    )
    return table(("a step's time with a gauge over that without", *sizes), rows, note)


def overhead_brief() -> str:
    """The same in a sentence."""
    found = load("results/speed/optimizer_overhead.json")
    if found is None:
        return "not measured yet"
    chosen = next(
        row
        for row in found["steps"]
        if (row["implementation"], row["tensors"]) == ("foreach", 100) and row["lr"] != "constant"
    )
    ratio, spent = chosen["ratio"]["couple"], chosen["microseconds"]["torch.optim.SGD"]
    return (
        f"A step of 100 small tensors ({spent:.0f} microseconds) whose learning rate changes every "
        f"time takes {ratio['estimate']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f}) times as "
        "long ([more](docs/performance.md))."
    )
