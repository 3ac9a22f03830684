"""The test error in the report: figure, summary, sentence, table."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flatfast.lab.report import CannotDraw, Study, headline, summarise
from flatfast.lab.report.figures.generalization import generalization
from flatfast.lab.report.generalizations import generalization_line, generalization_table
from flatfast.lab.report.page import page
from flatfast.lab.report.theme import DARK, LIGHT


def summary_of(difference: tuple[float, float, float], **changes: Any) -> dict[str, Any]:
    low, middle, high = difference
    reading = {
        "fastest": 0.184,
        "difference": {"estimate": middle, "low": low, "high": high},
        "etas": 3,
    }
    nothing = {"fastest": None, "difference": dict.fromkeys(("estimate", "low", "high")), "etas": 0}
    found = {
        "metric": "cooled:test_error",
        "is_goal": False,
        "share": True,
        "trained": reading,
        "equal_steps": nothing,
        "methods": [],
    }
    return {"generalization": found | changes}


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (
            (-0.009, -0.004, 0.001),
            "no difference from the others can be told (−0.40 points, −0.90 to 0.10).",
        ),
        ((-0.009, -0.004, -0.001), "0.40 points lower than at the others (−0.90 to −0.10)."),
        ((0.001, 0.004, 0.009), "0.40 points higher than at the others (0.10 to 0.90)."),
    ],
)
def test_the_sentence_claims_no_more_than_the_interval(
    difference: tuple[float, float, float], words: str
) -> None:
    said = generalization_line(summary_of(difference))
    assert said == f"Test error, cooled: when trained, 18.4% at the fastest momentum, {words}"


def test_the_sentence_in_units_and_where_there_is_none() -> None:
    loss = summary_of((-0.5, -0.2, -0.1), metric="test_loss", share=False)
    assert "0.20 lower than at the others (−0.50 to −0.10)." in generalization_line(loss)
    goal = generalization_line(summary_of((0.0, 0.0, 0.0), is_goal=True))
    assert goal.startswith("Test error, cooled, is the goal: ")
    nothing = summary_of((0.0, 0.0, 0.0))["generalization"]["equal_steps"]
    assert generalization_line(summary_of((0.0, 0.0, 0.0), trained=nothing)) == ""
    assert generalization_line({"generalization": None}) == ""
    assert generalization_line({}) == ""  # of an earlier version


def test_headline_and_page_say_it(tested: Study) -> None:
    summary = summarise(tested)
    (said,) = [line for line in headline(summary) if line.startswith("Test error, cooled:")]
    assert "when trained" in said
    assert "at equal steps" in said
    html = page(summary, [])
    assert "On the test set" in html
    assert "after the law" in html
    names = [one["name"] for one in summary["generalization"]["methods"]]
    assert names[0] == "law"
    assert len(names) > 3
    assert generalization_table(summary | {"generalization": None}) is None


def test_summary_has_the_cells_that_have_runs(tested: Study, deep: Study) -> None:
    found = summarise(tested)["generalization"]
    assert found["metric"] == "cooled:test_error"
    assert found["share"]
    assert not found["is_goal"]
    assert [entry["eta"] for entry in found["at_eta"]] == tested.grid.lr.tolist()
    for entry in found["at_eta"]:
        assert 0 < len(entry["cells"]) <= len(tested.grid.mu)
        for cell in entry["cells"]:
            assert cell["trained"]["estimate"] is None or 0.1 < cell["trained"]["estimate"] < 0.35
    assert summarise(deep)["generalization"] is None


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_the_figure_marks_the_optima_in_both_panels(tested: Study, theme: Any) -> None:
    panels = generalization(tested, theme).axes[:2]
    located = int(np.sum(tested.optima.located)) if tested.optima is not None else 0
    for axes in panels:
        diamonds = [line for line in axes.lines if line.get_marker() == "D"]
        assert len(diamonds) == located > 0
    assert panels[0].get_ylim() == panels[1].get_ylim()


def test_the_figure_says_what_is_missing(deep: Study, tested: Study) -> None:
    with pytest.raises(CannotDraw, match="cooled:test_error"):
        generalization(deep, LIGHT)
    found = tested.generalization
    assert found is not None
    blank = replace(found.trained, median=np.full_like(found.trained.median, np.nan))
    empty = replace(tested, generalization=replace(found, trained=blank, equal_steps=blank))
    with pytest.raises(CannotDraw, match="longer"):
        generalization(empty, LIGHT)
