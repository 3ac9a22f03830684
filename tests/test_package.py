"""What is published: one version, metadata without surprises, all that is needed and no more."""

import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import flatfast

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "flatfast"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    builders = pytest.importorskip("hatchling.builders.wheel", reason="needs hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = builders.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as file:
        yield file


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return HeaderParser().parsestr(wheel.read(name).decode())


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    there = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == there
    assert "flatfast/py.typed" in inside
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


def test_metadata(metadata):
    assert metadata["Name"] == "flatfast"
    assert metadata["Version"] == flatfast.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    extras = set(metadata.get_all("Provides-Extra"))
    assert {"torch", "lab", "optax", "lightning", "transformers", "theory", "docs"} <= extras
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    # Without an extra there is little to install.
    core = [need for need in metadata.get_all("Requires-Dist") if "extra ==" not in need]
    assert sorted(need.split(">")[0] for need in core) == ["numpy", "rich", "typer"]


def test_classifiers_are_those_that_indexes_know(metadata):
    known = pytest.importorskip("trove_classifiers", reason="needs trove-classifiers").classifiers
    assert set(metadata.get_all("Classifier")) <= known


def test_one_version_everywhere():
    assert f"version: {flatfast.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["dynamic"] == ["version"]
    assert "version" not in project


def test_the_source_distribution_has_what_its_tests_and_docs_need(tmp_path):
    builders = pytest.importorskip("hatchling.builders.sdist", reason="needs hatchling")
    (path,) = builders.SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(path) as file:
        inside = {name.partition("/")[2] for name in file.getnames()}
    assert {"mkdocs.yml", "docs/index.md", "tests/test_package.py", "Makefile"} <= inside
    assert {"tutorials/calibrate.py", "scripts/site/hooks.py", "constraints.txt"} <= inside
    assert not any(
        name.startswith(("results/", "runs/", "build/", ".")) for name in inside - {".gitignore"}
    )
