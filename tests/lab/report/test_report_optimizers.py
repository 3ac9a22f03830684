"""A report on runs whose momentum averages gradients: its words, and what it leaves out."""

import numpy as np
import pytest
from tests.lab.report.conftest import GOAL, RESAMPLES, make_runs, manifest

from flatfast.lab.analysis import analyse
from flatfast.lab.report import advice, headline, summarise
from flatfast.lab.report.figures import FIGURES, words_of
from flatfast.lab.report.figures.best_momentum import best_momentum
from flatfast.lab.report.page import page
from flatfast.lab.report.study import Study
from flatfast.lab.report.theme import LIGHT


def averaged(name: str) -> Study:
    """Runs with ``1 - momentum`` as lr^(2/3), told to be at lr^(1/3): as the square of that."""
    runs = make_runs()
    at = runs.schema.get_field_index("lr")
    runs = runs.set_column(at, "lr", [np.cbrt(runs["lr"].to_numpy())])
    about = manifest("matrix-sensing", GOAL)
    return analyse(runs, {**about, "optimizer": {"name": name}}, n_boot=RESAMPLES)


@pytest.fixture(scope="module")
def normalized() -> Study:
    return averaged("normalized-sgd")


@pytest.fixture(scope="module")
def adam() -> Study:
    return averaged("adam")


def test_the_exponent_is_two(normalized: Study) -> None:
    summary = summarise(normalized)
    assert summary["exponent"]["estimate"] == pytest.approx(2.0, abs=0.15)
    assert [verdict["name"] for verdict in summary["verdicts"]] == ["2", "1"]
    first, *rest = headline(summary)
    assert "with normalized-sgd the fastest momentum obeys 1 − momentum ∝ lr^γ" in first
    assert any("1 − momentum = C³·lr^2" in line for line in rest)
    at, C = summary["best_mu"][0], summary["best_C"]["estimate"]
    assert C**3 * at["eta"] ** 2 == pytest.approx(at["estimate"], rel=0.3)


def test_without_an_optimum_the_whole_curves_tell_the_exponent(normalized: Study) -> None:
    """As on a plateau."""
    said = headline({**summarise(normalized), "exponent": None, "best_C": None, "verdicts": []})[0]
    assert "rates; whole curves over 1 − momentum lie closest with the exponent" in said


def test_words_are_those_of_the_optimizer(adam: Study) -> None:
    summary = summarise(adam)
    assert summary["optimizer"] == {"name": "adam"}
    assert "with adam the fastest beta 1 obeys 1 − beta 1 ∝ lr^γ" in headline(summary)[0]
    html = page(summary, [])
    assert "Best beta 1 at each learning rate" in html
    assert "slope 2 says" in html
    assert "2 law says" not in html
    assert "What this means for your training" not in html  # nobody knows
    assert "but of adam" in html  # and so no other rules are compared


def test_a_plateau_is_not_taken_for_too_narrow_a_range(adam: Study, normalized: Study) -> None:
    for study, told in ((adam, "a plateau up to an edge"), (normalized, "Widen the range")):
        summary = summarise(study)
        first = {**summary["best_momentum"][0], "located": False, "reason": "at the edge"}
        notes = advice({**summary, "best_momentum": [first, *summary["best_momentum"][1:]]})
        assert [told in note for note in notes] == [False, True]
        assert notes[1].endswith("; make the runs longer where times lie beyond them.")


def test_figures_are_labelled_alike(adam: Study, normalized: Study) -> None:
    for study, label in ((adam, "best 1 − beta 1"), (normalized, "best 1 − momentum")):
        axes = best_momentum(study, LIGHT).axes[0]
        assert axes.get_ylabel() == label
        legend = [text.get_text() for text in axes.get_legend().get_texts()]
        assert ("slope 2, the law" in legend) == (study is normalized)
        assert "slope 1" in legend
        assert not any("2/3" in text for text in legend)


def test_captions_say_plateau_where_there_is_one(adam: Study, normalized: Study) -> None:
    curves, best = (
        next(drawing for drawing in FIGURES if drawing.name == name)
        for name in ("time_curves", "best_momentum")
    )
    assert "a plateau over most momenta" in words_of(curves, normalized.convention)[1]
    assert "plateau" not in words_of(curves, adam.convention)[1]
    assert "best 1 − beta 1 at each" in words_of(best, adam.convention)[1]
    assert "normalized SGD's momentum" in words_of(best, adam.convention)[1]
