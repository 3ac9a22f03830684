"""Notebooks run in a kernel of their own, from the folder in which Jupyter opens them."""

import pytest

from scripts.site.percent import FOLDER, ORDER

nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
pytest.importorskip("ipykernel", reason="needs ipykernel")
for name in ("torch", "jax", "matplotlib", "pyarrow"):
    pytest.importorskip(name, reason="needs the docs extra")

import nbformat  # noqa: E402  (comes with nbclient)

LONGEST = 600  # seconds that a cell may hang; the longest takes a few


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Runs a notebook by this Python, whatever kernels and settings the user has."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_PATH", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)

    def run(book):
        where = {"metadata": {"path": str(FOLDER)}}
        return nbclient.NotebookClient(book, timeout=LONGEST, resources=where).execute()

    return run


@pytest.mark.parametrize("name", ORDER)
def test_runs_and_draws_its_figure_once(execute, name):
    book = execute(nbformat.read(FOLDER / f"{name}.ipynb", as_version=4))
    drawn = [
        ["image/png" in output.get("data", {}) for output in cell.outputs].count(True)
        for cell in book.cells
        if cell.cell_type == "code"
    ]
    assert drawn == [0] * (len(drawn) - 1) + [1]


def test_a_cell_that_fails_is_told(execute):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        execute(book)
