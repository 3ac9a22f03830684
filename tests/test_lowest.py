"""The lowest versions that the metadata allows."""

import subprocess
import sys

import pytest

from scripts.lowest import PYPROJECT, lowest

PROJECT = {
    "dependencies": ["numpy>=1.26"],
    "optional-dependencies": {
        "one": ["own[two]>=1"],
        "two": ["flatfast[three]", "numpy>=2.0", "scikit-learn>=1.4"],
        "three": ["numpy>=1.9", "jax>=0.8"],
    },
}


def test_the_highest_of_the_lower_bounds_of_all_that_is_installed():
    assert lowest([], PROJECT) == {"numpy": "1.26"}
    assert lowest(["two"], PROJECT) == {"numpy": "2.0", "jax": "0.8", "scikit-learn": "1.4"}


def test_what_has_no_lower_bound_is_refused():
    with pytest.raises(ValueError, match=r"needs the form name>=version, got 'own\[two\]>=1'"):
        lowest(["one"], PROJECT)
    with pytest.raises(ValueError, match="no extra 'four'; there are one, two, three"):
        lowest(["four"], PROJECT)


def test_every_dependency_of_ours_has_one():
    script = PYPROJECT.parent / "scripts" / "lowest.py"
    done = subprocess.run(
        [sys.executable, script, "dev"], capture_output=True, text=True, check=True
    )
    names = {line.partition("==")[0] for line in done.stdout.splitlines()}
    assert {"numpy", "typer", "jax", "torch", "optax", "lightning", "pytest"} <= names
