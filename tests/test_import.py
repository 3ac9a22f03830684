"""What an import brings with it, and what is said where something is missing."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import flatfast.convention
import flatfast.estimate
import flatfast.law

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
HEAVY = {"jax", "torch", "scipy", "pyarrow", "matplotlib", "sklearn", "optax", "diffrax", "lineax"}


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def imported(statement: str) -> set[str]:
    done = python(f"import sys\n{statement}\nprint(*sys.modules)")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def without(modules: set[str], statement: str) -> subprocess.CompletedProcess[str]:
    """A statement where modules are not installed."""
    return python(f"import sys\nsys.modules.update(dict.fromkeys({modules!r}))\n{statement}")


def command(*words: str) -> str:
    return f"sys.argv = {['flatfast', *words]!r}\nfrom flatfast.cli import main; main()"


def test_the_package_needs_numpy_alone_and_that_for_timescales():
    modules = imported("import flatfast, flatfast.cli")
    assert not (HEAVY | {"typer", "rich", "numpy"}) & modules
    modules = imported("from flatfast import *\nprint(timescales.stability_limit)")
    assert not (HEAVY | {"typer", "rich"}) & modules
    assert "numpy" in modules


def test_what_is_imported_when_it_is_used_is_there_from_the_start():
    listed = "import flatfast; assert 'timescales' in dir(flatfast); flatfast.timescales.roots"
    assert "numpy" in imported(listed)
    with pytest.raises(AttributeError, match="no attribute 'timescale'"):
        _ = flatfast.timescale


@pytest.mark.parametrize(
    "module",
    [flatfast.law, flatfast.convention, flatfast.estimate],
    ids=lambda m: m.__name__,
)
def test_the_law_and_estimates_need_the_standard_library_alone(module):
    names = set()
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module)
    assert names
    names.discard("flatfast.convention")  # which is among these
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    "words", [("momentum", "--lr", "0.4", "--C", "0.2", "--curvature", "3"), ("--version",)]
)
def test_the_command_line_needs_the_core_alone(words):
    done = without(HEAVY, command(*words) + "\nassert 0, 'it ends in main'")
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert {need.partition(">")[0] for need in PROJECT["dependencies"]} == {
        "numpy",
        "typer",
        "rich",
    }


@pytest.mark.parametrize(
    ("statement", "missing", "extra"),
    [
        (command("list"), "jax", "lab"),
        (command("report", "somewhere"), "pyarrow", "lab"),
        (command("reproduce", "digits-mlp"), "matplotlib", "lab"),
        ("import flatfast.torch", "torch", "torch"),
        ("import flatfast.torch.lightning", "lightning", "lightning"),
        ("import flatfast.torch.transformers", "transformers", "transformers"),
        ("import flatfast.optax", "optax", "optax"),
        ("import flatfast.theory", "diffrax", "theory"),
    ],
)
def test_what_is_missing_is_named_with_a_way_to_install_it(statement, missing, extra):
    done = without({missing}, statement)
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert f'is not installed: pip install "flatfast[{extra}]", or pip install ".[{extra}]"' in told
    assert f"({missing} is missing)" in told
    assert ("the lab is not installed" in told) == (extra == "lab")
    assert ("Traceback" in told) == ("flatfast.cli" not in statement)
    assert extra in PROJECT["optional-dependencies"]


def test_reports_are_written_without_jax():
    modules = imported("import flatfast.lab.report, flatfast.lab.analysis, flatfast.lab.store")
    assert "jax" not in modules


def test_a_sweep_without_the_lab_asks_for_no_options_first():
    for words in (("sweep", "matrix-sensing"), ("sweep", "matrix-sensing", "--lr", "fast")):
        told = without({"jax"}, command(*words)).stderr
        assert "the lab is not installed" in told
        assert "--lr" not in told


@pytest.mark.parametrize(
    "text", ["import torch\ndef make(): pass", "def make():\n    from torch import nn"]
)
def test_a_model_of_torch_without_torch(tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    words = ("calibrate", f"{tmp_path / 'mine.py'}:make", "--lr", "0.1")
    done = without({"torch"}, command(*words))
    told = " ".join(done.stderr.split())
    assert done.returncode == 1
    assert (
        'mine.py:make needs PyTorch, which is not installed: pip install "flatfast[torch]"' in told
    )
