"""Tutorials run as they stand, and shown with what they print and draw.

The figure is the last cell's; it is drawn once for light pages and once for dark ones. What a run
gave is kept beside its digest, so that a page is made again only when its tutorial or the package
has changed.
"""

import contextlib
import hashlib
import io
import json
import os
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler

from flatfast.lab.report.theme import DARK, LIGHT, SIZE, Theme, style
from scripts.site.links import ROOT, rewritten
from scripts.site.percent import FOLDER, ORDER, Cell, cells, opening, title


@dataclass(frozen=True)
class Shown:
    """A tutorial after its run.

    Attributes:
        printed: What each cell printed, "" for text.
        light: Its figure for light pages, SVG.
        dark: The same for dark pages.
    """

    printed: tuple[str, ...]
    light: str
    dark: str


def run(parts: list[Cell]) -> Shown:
    """Run a tutorial's cells in order, in one namespace, the last one in both themes."""
    names: dict[str, Any] = {"__name__": "__main__"}
    *before, last = parts
    with _drawing(LIGHT):
        printed = [_output(cell, names) for cell in before]
    figures = []
    for theme in (LIGHT, DARK):
        with _drawing(theme):
            told = _output(last, names)
            figures.append(_svg())
    return Shown((*printed, told), *figures)


@contextlib.contextmanager
def _drawing(theme: Theme) -> Any:
    """Matplotlib as the reports have it, without a window and without figures of before."""
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    pyplot.close("all")
    settings: dict[Any, Any] = {
        **style(theme),
        "axes.prop_cycle": cycler(color=[theme.second, theme.accent, *theme.categories[1:]]),
        "figure.constrained_layout.use": True,
        "figure.figsize": SIZE,
        "savefig.facecolor": theme.surface,
    }
    with matplotlib.rc_context(settings):
        yield
    pyplot.close("all")


def _svg() -> str:
    from matplotlib import pyplot

    if len(pyplot.get_fignums()) != 1:
        raise ValueError(f"a tutorial draws one figure, got {len(pyplot.get_fignums())}")
    file = io.StringIO()
    pyplot.gcf().savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _output(cell: Cell, names: dict[str, Any]) -> str:
    """What a cell prints, and what it warns of."""
    if cell.kind == "markdown":
        return ""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        exec(compile(cell.text, "tutorial", "exec"), names)
    ours = dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in told if _is_ours(w))
    return "\n".join([*ours, out.getvalue().rstrip()]).strip()


def _is_ours(warning: warnings.WarningMessage) -> bool:
    return warning.category is UserWarning


def shown(name: str, folder: Path) -> Shown:
    """A tutorial after its run: of now, or of before where nothing has changed since.

    Args:
        name: The tutorial.
        folder: Where runs are kept.
    """
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    kept = folder / f"{name}.json"
    digest = _digest(source)
    if kept.is_file():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found.pop("digest") == digest:
            return Shown(**{**found, "printed": tuple(found["printed"])})
    with contextlib.chdir(ROOT):
        result = run(cells(source))
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"digest": digest, **asdict(result)})
    partial = kept.with_suffix(f".{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(kept)
    return result


def _digest(source: str) -> str:
    digest = hashlib.sha256(source.encode())
    for file in sorted((ROOT / "src").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def page(name: str, result: Shown) -> str:
    """A tutorial as a page of the site: text, code, what it printed, and its figure."""
    parts = []
    for cell, printed in zip(
        cells((FOLDER / f"{name}.py").read_text(encoding="utf-8")), result.printed, strict=True
    ):
        if cell.kind == "markdown":
            parts.append(rewritten(cell.text, f"tutorials/{name}.py"))
        else:
            parts.append(f"```python\n{cell.text}\n```")
        if printed:
            parts.append(f"```text\n{printed}\n```")
    alt = f"The figure of the tutorial: {title(FOLDER / f'{name}.py')}"
    parts.append(
        f'<img alt="{alt}" src="{name}.svg#only-light" width="620">'
        f'<img alt="{alt}" src="{name}-dark.svg#only-dark" width="620">'
    )
    parts.append(
        f"To run it yourself: [{name}.py]({name}.py) or the notebook [{name}.ipynb]({name}.ipynb)."
    )
    return "\n\n".join(parts) + "\n"


def contents() -> str:
    """The page that lists the tutorials."""
    lines = [
        "# Tutorials\n",
        "Short scripts, each with one figure: read them here, or run them, as a script or as a "
        "notebook. What they print is what they printed when this site was built.\n",
    ]
    for name in ORDER:
        file = FOLDER / f"{name}.py"
        lines.append(f"- [{title(file)}]({name}.md). {opening(file)}")
    return "\n".join(lines) + "\n"
