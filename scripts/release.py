"""Is this a release? Builds what would be published, and uses it as somebody else would.

    python -m scripts.release [--python python3.13] [--extra lab]

Source distribution, wheel from it, ``twine check``; then the wheel in an empty environment in
another folder, which answers a question and sweeps a small problem to its report. Needs the extra
``release`` and pip's index. Nothing is uploaded.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

MOMENTUM = ("momentum", "--lr", "0.4", "--like", "0.1:0.9")
SWEEP = (
    *("sweep", "scalar-product", "--lr", "0.001:0.01:3", "--C", "0.2:2:6", "--seeds", "8"),
    *("--out", "demo"),
)


def call(*command: str, folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed.

    Raises:
        SystemExit: If it fails; with what it said.
    """
    print("$", *command, flush=True)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\nfailed: {' '.join(command)}")
    return done.stdout


def built(folder: Path) -> list[Path]:
    """The distributions, built into a folder and checked."""
    call(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT), folder=folder)
    files = sorted(folder.iterdir())
    call(sys.executable, "-m", "twine", "check", "--strict", *map(str, files), folder=folder)
    return files


def used(wheel: Path, python: str, extra: str, folder: Path) -> None:
    """Install a wheel where there is nothing else, and use it from a folder of its own.

    Raises:
        SystemExit: If something fails, or the answer or the report is not there.
    """
    call(python, "-m", "venv", str(folder / "venv"), folder=folder)
    bin_folder = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    want = f"{wheel}[{extra}]" if extra else str(wheel)
    pip = (str(bin_folder / "python"), "-m", "pip", "--disable-pip-version-check")
    call(*pip, "install", "--quiet", want, folder=folder)
    call(*pip, "check", folder=folder)
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own["FLATFAST_CACHE"] = str(folder / "cache")
    flatfast = str(bin_folder / "flatfast")
    told = call(flatfast, *MOMENTUM, folder=folder, environment=own)
    if "0.748" not in told:
        raise SystemExit(f"flatfast {' '.join(MOMENTUM)} should answer 0.748, got {told!r}")
    if extra == "lab":
        call(flatfast, *SWEEP, folder=folder, environment=own)
        page = folder / "demo" / "index.html"
        if not page.is_file():
            raise SystemExit(f"the sweep wrote no report {page}")
        print(f"report of {page.stat().st_size:,} bytes")


def found(python: str) -> str:
    """Where an interpreter is, whatever folder it is called from.

    Raises:
        SystemExit: If there is none.
    """
    place = shutil.which(python)
    if place is None:
        raise SystemExit(f"--python must be an interpreter, by name or path, got {python!r}")
    return os.path.abspath(place)  # not resolved: a link in an environment is that environment's


def main() -> None:
    """Check a release."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--python", action="append", help="an interpreter to install for; may be given again"
    )
    parser.add_argument("--extra", default="lab", help="what to install: lab, or '' for the core")
    asked = parser.parse_args()
    pythons = list(map(found, asked.python or [sys.executable]))
    with tempfile.TemporaryDirectory() as name:
        files = built(Path(name))
        (wheel,) = (file for file in files if file.suffix == ".whl")
        for python in pythons:
            with tempfile.TemporaryDirectory() as elsewhere:
                used(wheel, python, asked.extra, Path(elsewhere))
            print(f"{wheel.name} works with {python}")


if __name__ == "__main__":
    main()
