"""Tutorials: short, each with a notebook that says the same, read and run cell by cell."""

import ast

import pytest

from scripts.site.percent import FOLDER, ORDER, Cell, cells, opening, title


def test_those_that_lie_here_are_those_that_are_shown():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(ORDER)
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_is_short_and_begins_with_what_it_is_about(name):
    file = FOLDER / f"{name}.py"
    source = file.read_text("utf-8")
    assert len(source.splitlines()) <= 60
    assert max(map(len, source.splitlines())) <= 120
    first, *_, last = cells(source)
    assert first.text.startswith("# ")
    assert title(file) in first.text
    assert len(opening(file)) > 80
    assert "plt.subplots(" in last.text  # the figure, drawn once in each theme


def test_cells_are_read():
    source = "# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n\n\ny = 2\n"
    assert cells(source) == [
        Cell("markdown", "# Title\n\nText."),
        Cell("code", "x = 1\n\n\ny = 2"),
    ]
    with pytest.raises(ValueError, match="begins with a cell"):
        cells("import this\n# %%\n")
    with pytest.raises(ValueError, match="in comments, got 'x = 1'"):
        cells("# %% [markdown]\n# text\nx = 1\n")


@pytest.mark.parametrize("name", ORDER)
def test_notebook_is_that_of_the_script(name):
    pytest.importorskip("jupytext", reason="needs jupytext")
    from scripts.site.notebooks import notebook

    committed = (FOLDER / f"{name}.ipynb").read_text("utf-8")
    assert committed == notebook(name), "stale: run python -m scripts.site.notebooks"


@pytest.mark.parametrize("name", ORDER)
def test_notebook_runs_what_the_script_runs(name):
    """So that the run of one, when the site is built, is that of the other."""
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(book)
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    script = (FOLDER / f"{name}.py").read_text("utf-8")
    assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(script))
    assert all(not cell.get("outputs") for cell in book.cells)


def test_a_run_gives_what_is_printed_warned_and_drawn():
    pytest.importorskip("matplotlib", reason="needs the lab extra")
    from scripts.site.tutorials import run

    shown = run(
        [
            Cell("markdown", "Text."),
            Cell("code", "import warnings\nwarnings.warn('take care')\nx = 2\nprint(x)"),
            Cell("code", "import matplotlib.pyplot as plt\nplt.subplots()\nx += 1\nprint(x)"),
        ]
    )
    assert shown.printed == ("", "UserWarning: take care\n2", "4")  # drawn twice
    assert shown.light.lstrip().startswith("<?xml")
    assert shown.light != shown.dark
    with pytest.raises(ValueError, match="one figure, got 0"):
        run([Cell("code", "x = 1"), Cell("code", "x")])
