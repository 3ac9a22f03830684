"""Tables of the benchmarks, from ``results/speed/*.json``."""

from studies.quotes.values import load


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
