"""What an import brings with it."""

import ast
import subprocess
import sys
from pathlib import Path

import flatfast.law


def imported(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_needs_numpy_alone():
    modules = imported("import flatfast")
    heavy = {"jax", "torch", "scipy", "pyarrow", "matplotlib", "typer", "rich", "sklearn"}
    assert not heavy & modules
    assert "numpy" in modules


def test_the_law_needs_the_standard_library_alone():
    names = set()
    for node in ast.walk(ast.parse(Path(flatfast.law.__file__).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module)
    assert names
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_asking_for_a_momentum_starts_no_jax():
    modules = imported(
        "from flatfast.cli.app import run\nrun(['momentum', '--lr', '0.4', '--C', '0.2'])"
    )
    assert "jax" not in modules
    assert "typer" in modules


def test_reports_are_written_without_jax():
    modules = imported("import flatfast.lab.report, flatfast.lab.analysis, flatfast.lab.store")
    assert "jax" not in modules
