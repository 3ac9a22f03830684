"""Tables of the benchmarks, from ``benchmarks/results/*.json``."""

from scripts.quotes.values import load


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
