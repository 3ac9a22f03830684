"""What an import brings with it."""

import subprocess
import sys


def imported(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_needs_numpy_alone():
    modules = imported("import flatfast")
    heavy = {"jax", "torch", "scipy", "pyarrow", "matplotlib", "typer", "rich", "sklearn"}
    assert not heavy & modules
    assert "numpy" in modules


def test_the_law_needs_nothing():
    # The package's __init__ brings NumPy, so the law is loaded by itself.
    code = (
        "import importlib.util, flatfast, sys; path = flatfast.law.__file__\n"
        "before = {n for n in sys.modules}\n"
        "spec = importlib.util.spec_from_file_location('law', path)\n"
        "module = importlib.util.module_from_spec(spec); sys.modules['law'] = module\n"
        "spec.loader.exec_module(module); source = open(path).read()\n"
        "assert 'import numpy' not in source and 'from flatfast' not in source"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_asking_for_a_momentum_starts_no_jax():
    modules = imported(
        "from flatfast.cli.app import run\nrun(['momentum', '--lr', '0.4', '--C', '0.2'])"
    )
    assert "jax" not in modules
    assert "typer" in modules


def test_reports_are_written_without_jax():
    modules = imported("import flatfast.lab.report, flatfast.lab.analysis, flatfast.lab.store")
    assert "jax" not in modules
