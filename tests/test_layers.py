"""The import contracts of pyproject.toml hold."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_contracts_hold():
    pytest.importorskip("importlinter", reason="needs the dev extra")
    command = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [command, "--config", ROOT / "pyproject.toml", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
