"""Tables of the engines, from ``engines.json`` and ``engine_kills.json`` in ``results/speed``."""

import statistics
from typing import Any

from studies.markdown import NOT_YET, between, table
from studies.quotes.values import load


def engines() -> str:
    """Engines with workers beside the local one, on the same sweeps."""
    found = _part("compared")
    if found is None:
        return NOT_YET
    rows = [
        [
            f"`{case['problem']}`, {case['runs']:,} runs of {case['steps']:,} steps",
            f"{case['run_steps_per_processor_second']['local']:,.0f}",
            *(
                between(case[f"over_local_by_{kind}"][engine])
                for engine in ("processes", "ray")
                for kind in ("processor", "clock")
            ),
        ]
        for case in found["found"]
    ]
    heads = (
        "sweep",
        "`local`, run-steps a second of a core",
        "`processes`, of that",
        "by the clock",
        "`ray`, of that",
        "by the clock",
    )
    machine, load_ = found["machine"], found["load"]
    note = (
        f"{machine['processor']}, {machine['cores']} cores; medians of {found['repeats']} repeats, "
        "engine after engine in each, with the middle half of them; a core's seconds are those of "
        "the driver and of all that it has started. Other work ran beside it: load "
        f"{load_['before']:.1f} before, {load_['after']:.1f} after."
    )
    return table(heads, rows, note)


def engine_starts() -> str:
    """What a worker takes from its start to its first rows."""
    found = _part("starts")
    if found is None:
        return NOT_YET
    parts = ("imports", "job", "first_chunk", "again")
    rows = [
        [
            f"`{case['problem']}`, {case['runs']} runs",
            "empty" if kind == "empty_cache" else "full",
            *(f"{case['seconds'][kind][part]['estimate']:.2f}" for part in parts),
        ]
        for case in found["found"]
        for kind in ("empty_cache", "full_cache")
    ]
    heads = (
        "first chunk of",
        "JAX's compilation cache",
        "imports, s",
        "unpacking the job, s",
        "first chunk, s",
        "the same again, s",
    )
    note = f"{found['machine']['processor']}, {found['machine']['cores']} cores; medians of three"
    whole = _part("commands")
    if whole is not None:
        told = whole["found"]
        spent = [
            f"{statistics.median(each):.0f} s with `{name}`"
            for name, each in told["seconds"].items()
        ]
        note += (
            f". A whole command, of {told['runs']:,} runs of `{told['problem']}` with its report: "
            f"{', '.join(spent)}; other work ran beside it"
        )
    return table(heads, rows, f"{note}.")


def engine_driver() -> str:
    """What a chunk and a row cost the driver."""
    stored, memory_ = _part("storing"), _part("memory")
    if stored is None or memory_ is None:
        return NOT_YET
    store, driver = stored["found"], memory_["found"]
    first, last = (
        ", ".join(
            f"{1e3 * store['seconds_a_chunk'][kind][when]['estimate']:.1f} ms {told}"
            for kind, told in (("processor", "of the processor"), ("clock", "by the clock"))
        )
        for when in ("at_first", "at_last")
    )
    rows = [
        ["storing a chunk, at first", first],
        [f"the same after {store['chunks']:,} chunks", last],
        ["a row on its way", f"{store['bytes_a_row_sent']:.0f} bytes"],
        ["a row stored", f"{store['bytes_a_row_stored']:.0f} bytes"],
        [
            f"the driver's memory after a quarter of {driver['rows']:,} rows",
            f"{driver['bytes_after_a_quarter'] / 1e6:.1f} MB",
        ],
        ["the same after all of them", f"{driver['bytes_at_the_end'] / 1e6:.1f} MB"],
    ]
    note = (
        f"{stored['machine']['processor']}; chunks of {store['rows_a_chunk']} rows of 16 records, "
        f"of matrix sensing; {driver['tasks']} tasks of Ray brought "
        f"{driver['bytes_that_came'] / 1e6:.0f} MB of rows, of which the driver kept none. Other "
        f"work ran beside it: load {stored['load']['before']:.0f}."
    )
    return table(("what", ""), rows, note)


def engine_kills() -> str:
    """What was killed, and what is left."""
    found = load("results/speed/engine_kills.json")
    if found is None:
        return NOT_YET
    heads = ("engine", "worker", "node", "driver", "disk full")
    kinds = ("worker", "node", "driver", "disk")
    names = list(dict.fromkeys(kill["engine"] for kill in found["kills"]))
    rows = [[name, *(str(found["counts"].get(f"{name}: {k}", 0)) for k in kinds)] for name in names]
    note = (
        f"{len(found['kills'])} kills at random moments in {found['commands']} commands, engine "
        f"after engine, into {found['folders']} folders of {found['runs_a_folder']:,} runs; rows "
        f"lost {found['lost']}, there twice {found['twice']}, other than undisturbed "
        f"{found['other']}."
    )
    return table(heads, rows, note)


def _part(name: str) -> dict[str, Any] | None:
    """A part of the results of ``benchmarks.engines``, with what it was measured on."""
    found = load("results/speed/engines.json")
    if found is None or name not in found:
        return None
    return {**found[name], "machine": found["machine"], "repeats": found["repeats"]}
