"""How to run a report's experiment again, and how to cite it."""

from collections.abc import Mapping
from typing import Any

from flatfast.lab.report.markup import Markup, element, text
from flatfast.lab.report.typography import UNKNOWN

PAPER = "https://arxiv.org/abs/2210.16400"
CITATION = (
    "A. Cowsik, T. Can, P. Glorioso. “Flatter, faster: scaling momentum for optimal speedup of "
    "SGD.” arXiv:2210.16400."
)

BIBTEX = """\
@article{cowsik2022flatter,
  title = {Flatter, faster: scaling momentum for optimal speedup of {SGD}},
  author = {Cowsik, Aditya and Can, Tankut and Glorioso, Paolo},
  journal = {arXiv preprint arXiv:2210.16400},
  year = {2022}
}

@software{flatfast,
  title = {flatfast: momentum that follows the learning rate},
  author = {{The flatfast authors}},
  version = {VERSION},
  note = {NOTE}
}"""

LATEX = str.maketrans(
    {each: f"\\{each}" for each in "_%&#$"}
    | {each: f"\\{each}{{}}" for each in "^~"}
    | {"\\": r"\textbackslash{}", "{": "", "}": ""}
)
"""Letters that mean something else to LaTeX."""


def citation(summary: Mapping[str, Any]) -> list[Markup]:
    """The command, the paper and the software, and where the numbers are."""
    pieces = []
    if summary["command"]:
        pieces += [element("p", text("To run this again:")), _block(summary["command"])]
    return [
        *pieces,
        element("p", text("The law is from:")),
        element("p", element("a", text(CITATION), href=PAPER)),
        element("p", text("To cite the paper, and these numbers:")),
        _block(bibtex(summary)),
        element(
            "p",
            text(
                "The numbers of this page are in summary.json, every run in runs.parquet, "
                + ("the forecast in forecast.json, " if summary["forecast"] else "")
                + "and the figures as PNG and SVG in figures, all beside it. The page itself holds "
                "the first and the last, and what the figures show, for those who have it alone."
            ),
            class_="aside",
        ),
    ]


def bibtex(summary: Mapping[str, Any]) -> str:
    """Entries for the paper, and for the software by its version and what was run."""
    version = (summary["versions"] or {}).get("flatfast", UNKNOWN)
    made = f", of {str(summary['created'])[:10]}" if summary["created"] else ""
    note = f"Report of {summary['problem']['name']}{made}"
    return BIBTEX.replace("VERSION", _braced(str(version))).replace("NOTE", _braced(note))


def _braced(words: str) -> str:
    """Words as BibTeX takes them, in one line."""
    return " ".join(words.split()).translate(LATEX)


def _block(words: str) -> Markup:
    return element("pre", element("code", text(words)), tabindex="0")
