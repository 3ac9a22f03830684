"""Settings of jobs, as they are typed."""

from collections.abc import Mapping, Sequence
from typing import Any

CLUSTERS = ("slurm", "local")
"""Where jobs may go."""

TIME = 60
"""Minutes that a job may take before it is queued again, where nobody says so."""

LEAST_TIME = 5
"""The least: jobs are warned a minute and a half before their limit, and SLURM may be early."""

OURS = {
    "cpus_per_task": "--cores",
    "array_parallelism": "--workers",
    **dict.fromkeys(("array", "job_name", "nodes", "ntasks", "ntasks_per_node"), ""),
    **dict.fromkeys(("additional_parameters", "srun_args", "map_count"), ""),
}
"""Settings of jobs that are not given so, and which option gives them, if any does."""


def settings_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings of jobs from ``KEY=VALUE``; lines of ``setup`` and ``teardown`` may be several.

    Raises:
        ValueError: If one is not written so, is not the user's to set, or is out of range.
    """
    found: dict[str, Any] = {"time": TIME}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip().removeprefix("slurm_").replace("-", "_")
        if not (key.isidentifier() and equals and value):
            raise ValueError(f"a setting of SLURM must be KEY=VALUE, got {pair!r}")
        if key in OURS:
            told = f"is given as {OURS[key]}" if OURS[key] else "cannot be set"
            raise ValueError(f"{key} of a job {told}, got {pair!r}")
        if key in ("setup", "teardown"):
            found.setdefault(key, []).append(value)
        elif value.lower() in ("true", "false"):
            found[key] = value.lower() == "true"
        else:
            found[key] = int(value) if value.isdecimal() else value
    if type(found["time"]) is not int or found["time"] < LEAST_TIME:
        raise ValueError(
            f"time of a job must be a whole number of minutes, at least {LEAST_TIME}, "
            f"got {found['time']!r}"
        )
    if found.get("cluster", CLUSTERS[0]) not in CLUSTERS:
        raise ValueError(f"cluster must be one of {', '.join(CLUSTERS)}, got {found['cluster']!r}")
    return found


def gpus_of(settings: Mapping[str, Any]) -> int:
    """GPUs of a job."""
    told = [settings.get(name, 0) for name in ("gpus_per_node", "gpus_per_task")]
    return max(each if isinstance(each, int) else 1 for each in told)
