"""An item in a process of its own: the parent's side and, as a program, the child's.

The child leaves its answer in a file. One library at a time has the card: in the other's process
JAX stays on the CPU, and nowhere does it take most of the memory before it is needed.
"""

import argparse
import importlib
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.gpu.cases import Item, items
from studies.study import ROOT, Result, TimeIsUpError, read_json, write_json

LATE = 75
"""Exit code of a child whose time was up: try again."""

TOLD_AT_MOST = 600
"""Characters of a child's last words in a message."""


@dataclass(frozen=True)
class Job:
    """What an item's ``measure`` is told.

    Attributes:
        folder: The study's folder of runs.
        quick: The tiny size.
        seconds: That are left.
        options: The item's own.
    """

    folder: Path
    quick: bool
    seconds: float
    options: dict[str, Any]


def environment(item: Item, folder: Path) -> dict[str, str]:
    """Of the child: where compiled programs and starts are kept, and who may use the card."""
    own = {
        "JAX_COMPILATION_CACHE_DIR": str((folder / "compiled").resolve()),
        "FLATFAST_CACHE": str((folder / "cache").resolve()),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    # Whoever has set one knows why; but for the path, which is ours in front of theirs.
    path = [own["PYTHONPATH"], *filter(None, [os.environ.get("PYTHONPATH")])]
    every = {**own, **os.environ, "PYTHONPATH": os.pathsep.join(path)}
    return {**every, "JAX_PLATFORMS": "cpu"} if item.library == "torch" else every


def compute(item: Item, folder: Path, quick: bool, seconds: float) -> Result:
    """Compute an item in a process of its own; prints what came of it in a line.

    Raises:
        TimeIsUpError: If it does not end in time; it is killed if it does not stop by itself.
        RuntimeError: If it fails; the message has its last words, and names the file of all.
    """
    answer, log = folder / "answers" / f"{item.name}.json", folder / "logs" / f"{item.name}.txt"
    answer.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [item.name, "--folder", str(folder.resolve()), "--seconds", str(seconds)]
    command = [sys.executable, "-m", "studies.gpu.apart", *words, *(["--quick"] if quick else [])]
    with log.open("w") as file:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment(item, folder),
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=seconds if math.isfinite(seconds) else None,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TimeIsUpError(f"stopped after {seconds:.0f} s; chunks stay") from None
    if done.returncode == LATE:
        raise TimeIsUpError(str(read_json(answer, {}).get("told", "")))
    if done.returncode:
        last = log.read_text(errors="replace").strip()[-TOLD_AT_MOST:]
        raise RuntimeError(f"ended with {done.returncode} ({log}): {last}")
    found: Result = read_json(answer, {})
    print(f"{item.name}: {found['told']}")
    return found


def main() -> None:
    """Compute one item here, and leave its answer in a file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    item = next((item for item in items(chosen.quick) if item.name == chosen.name), None)
    if item is None:
        raise ValueError(f"no item {chosen.name!r} in the queue")
    job = Job(chosen.folder, chosen.quick, chosen.seconds, dict(item.options))
    answer = chosen.folder / "answers" / f"{item.name}.json"
    try:
        write_json(answer, importlib.import_module(f"studies.gpu.{item.kind}").measure(job))
    except TimeIsUpError as error:
        write_json(answer, {"told": str(error)})
        sys.exit(LATE)


if __name__ == "__main__":
    main()
