"""What two libraries' throughput on one card comes to, side by side."""

from studies.study import Result

OURS, LOOP, ENSEMBLE = "flatfast", "torch_loop", "torch_ensemble"
"""As :mod:`benchmarks.network_throughput` names them."""


def compared(items: dict[str, Result]) -> dict[str, Result]:
    """By problem, the lab's rate over the others', and the share of the fastest products' rate.

    The two libraries were timed one after the other, each in a process of its own: medians are
    compared, and there is no pairing by repeat.
    """
    found: dict[str, Result] = {}
    for name, ours in items.items():
        other = items.get(f"{name.removesuffix('.jax')}.torch")
        if not name.startswith("throughput.") or not name.endswith(".jax") or other is None:
            continue
        rates = {**ours["run_steps_per_second"], **other["run_steps_per_second"]}
        limits = {**ours["flops_per_second"], **other["flops_per_second"]}
        used = rates[OURS] * ours["flops_of_a_run_step"]
        found[ours["problem"]] = {
            "over_torch_loop": rates[OURS] / rates[LOOP],
            "over_torch_ensemble": rates[OURS] / rates[ENSEMBLE],
            "share": {limit: used / most for limit, most in limits.items() if used},
        }
    return found
