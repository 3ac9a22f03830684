"""The site, built once for all tests of it."""

import subprocess
import sys

import pytest

from tests.explorer.paths import ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site; its build ends with an error where anything is amiss."""
    for name in ("mkdocs", "material", "mkdocstrings", "torch", "jax", "matplotlib"):
        pytest.importorskip(name, reason="needs the docs extra")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
