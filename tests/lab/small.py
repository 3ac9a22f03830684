"""Small jobs for tests of engines, a user's own problem among them, and a bad one."""

from collections.abc import Iterable
from pathlib import Path

import jax.numpy as jnp
import pyarrow as pa

from flatfast.lab.engines.job import Job
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem
from flatfast.lab.problems import load

SMALL = {
    "scalar-product": {},
    "matrix-sensing": {},
    "teacher-student": {},
    "digits-mlp": {"examples": 40, "width": 10},
}


def job_of(name: str) -> Job:
    return Job(load(name, SMALL[name]), records=6)


def sorted_rows(tables: Iterable[pa.Table]) -> pa.Table:
    table = pa.concat_tables(tables).replace_schema_metadata(None)
    return table.sort_by([(n, "ascending") for n in ("method", "lr", "momentum", "seed", "steps")])


def bad_problem(kind: type[Exception] = ValueError) -> Problem:
    def gradient(params, key):
        raise kind("no gradient today")

    def loss(params):
        return params["x"] ** 2 / 2

    metrics = {"square": lambda params: params["x"] ** 2}
    goal = Goal("square", 0.01, smoothing=0.0)
    return Problem("bad", lambda: {"x": jnp.asarray(1.0)}, gradient, loss, metrics, goal)


def own_job(path: Path) -> Job:
    """Of a problem in a file, which is gone when the job is there."""
    path.write_text(
        "import jax, jax.numpy as jnp\n"
        "from flatfast.lab.goal import Goal\n"
        "from flatfast.lab.problem import Problem\n"
        "SIZE = 2.0\n"
        "def problem():\n"
        "    def gradient(p, key):\n"
        "        return {'x': SIZE * p['x'] + 0.1 * jax.random.normal(key, ())}\n"
        "    def loss(p):\n"
        "        return SIZE * p['x'] ** 2 / 2\n"
        "    goal = Goal('square', 0.01)\n"
        "    start = lambda: {'x': jnp.asarray(1.0)}\n"
        "    return Problem('mine', start, gradient, loss, {'square': loss}, goal)\n"
    )
    job = Job(load(f"{path}:problem"), records=4)
    path.unlink()
    return job
