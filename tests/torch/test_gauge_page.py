"""The page: one file that is whole at any time, with what was read, and nothing that it loads."""

import itertools
import re
from html.parser import HTMLParser

import pytest
import torch
from torch import nn

from flatfast.torch import Gauge, couple
from flatfast.torch.gauge import Curvature
from flatfast.torch.gauge.charts import Axis, Chart, Line, Span, compact
from flatfast.torch.gauge.history import MOST, History
from flatfast.torch.gauge.reading import Held
from tests.made_up import made_up_calibration
from tests.torch.bowl import LAW, sgd, train, weight

VOID = {"meta", "path", "circle"}


class Balanced(HTMLParser):
    """Checks that every element ends where it should."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.loads = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self.loads += [v for k, v in attributes if k in ("src", "href", "srcset", "data")]

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text)


def parsed(path):
    parser = Balanced()
    text = path.read_text(encoding="utf-8")
    parser.feed(text)
    assert not parser.open
    assert not parser.loads
    assert "<script" not in text
    assert "url(" not in text
    return text, " ".join(" ".join(parser.text).split())


def test_a_page_of_a_training(tmp_path):
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    path = tmp_path / "run.html"
    gauge = Gauge(optimizer, curvature=lambda: Curvature(3.0, 0.1, 10, 0.0))
    gauge.page(path, every=1e-9, title="a <bowl> & more")
    text, told = parsed(path)
    assert '<meta http-equiv="refresh" content="1">' in text
    assert "a <bowl> & more: 0 steps" in told
    train(w, optimizer, 5)
    gauge.calibrated(made_up_calibration(C=0.3))
    gauge.calibrated(made_up_calibration(doubt="no lasting noise"))
    gauge.readings()
    optimizer.param_groups[0]["lr"] = 0.02
    train(w, optimizer, 5)
    gauge.close()
    text, told = parsed(path)
    assert "refresh" not in text
    assert "ended after 10 steps" in told
    for words in (
        "0.963",  # momentum at 0.02
        "stability limit, 2 (1 + momentum) / lr",
        "largest curvature, from below",
        "Curvature was measured once, for 10 gradients",
        "Step 5: C 0.3 (0.0",
        "no law was found; ",
    ):
        assert words in told
    assert text.count("<figure>") == 6
    assert not list(tmp_path.glob("*.partial"))


def test_the_law_s_momentum_is_drawn_where_it_belongs(tmp_path):
    """Places of the drawing, read back."""
    chart = Chart("momentum", [Line("", [(0, 0.9), (10, 0.95), (20, 1.0)])])
    (way,) = re.findall(r'class="line a" d="M([^"]+)"', chart.svg())
    places = [tuple(map(float, each.split())) for each in way.split("L")]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.11)
    assert y2 < y0


def test_a_page_that_cannot_be_written_is_given_up_and_training_goes_on(tmp_path):
    w = weight()
    optimizer = sgd(w)
    gauge = Gauge(optimizer)
    folder = tmp_path / "gone"
    with pytest.raises(OSError, match="gone"):
        gauge.page(folder / "run.html")
    folder.mkdir()
    gauge.page(folder / "run.html", every=1e-9)
    (folder / "run.html").unlink()
    folder.rmdir()
    gauge._page._next = 0.0
    with pytest.warns(UserWarning, match="is given up, and training goes on") as told:
        train(w, optimizer, 5)
    assert len(told) == 1
    gauge.close()


def test_a_measurement_that_fails_within_a_step_does_not_end_a_training(tmp_path):
    def fails_later():
        if gauge.steps:
            raise RuntimeError("out of memory")
        return Curvature(3.0, 0.1, 1, 0.0)

    w = weight()
    optimizer = sgd(w)
    gauge = Gauge(optimizer, curvature=fails_later, share=0.9)
    gauge.page(tmp_path / "run.html", every=1e-9)
    due = lambda step: setattr(gauge._page, "_next", 0.0)  # noqa: E731
    with pytest.warns(UserWarning, match="training goes on: out of memory"):
        train(w, optimizer, 5, after=due)
    assert gauge.steps == 5
    with pytest.raises(RuntimeError, match="out of memory"):
        gauge.readings()


def test_every():
    with pytest.raises(ValueError, match="every must be positive, got 0"):
        Gauge(sgd(weight())).page("run.html", every=0)


def test_groups_that_never_differ_are_one_line_and_of_many_some_are_drawn(tmp_path):
    layers = [nn.Parameter(torch.ones(2)) for _ in range(8)]
    groups = [{"params": [p], "lr": 0.1 * (1 + k // 2)} for k, p in enumerate(layers)]
    groups += [{"params": [nn.Parameter(torch.ones(1))], "lr": 0.7}]
    gauge = Gauge(torch.optim.SGD(groups, lr=0.1, momentum=0.9))
    gauge.page(tmp_path / "run.html")
    _, told = parsed(tmp_path / "run.html")
    assert "The first 4 of 5 parameter groups that differ are drawn" in told
    assert "0.1 to 0.7" in told


def test_a_long_history_is_thinned_evenly_and_keeps_both_ends():
    history = History()
    for step in range(10_000):
        if history.wants(step):
            history.add(step, [Held(0.1, 0.9, None, False, True, False, 0.0)])
    history.add(10_001, [Held(0.1, 0.9, None, False, True, False, 0.0)])
    steps = [point.step for point in history.points()]
    assert len(steps) <= MOST + 1
    assert (steps[0], steps[-1]) == (0, 10_001)
    gaps = {later - earlier for earlier, later in itertools.pairwise(steps[:-1])}
    assert len(gaps) == 1


# --- Charts ---------------------------------------------------------------------------------------


def test_axes():
    assert Axis.of([0.0, 1000.0]).logarithmic is False
    wide = Axis.of([1e-4, 0.1])
    assert wide.logarithmic
    assert [round(tick, 9) for tick in wide.ticks] == [1e-4, 1e-3, 1e-2, 0.1]
    assert Axis.linear([3.0, 3.0]).ticks == [3.0]
    assert list(Axis.linear([0, 2000], whole=True).ticks) == [0, 500, 1000, 1500, 2000]
    for axis in (wide, Axis.linear([-1.0, 5.0])):
        assert all(0 <= axis.place(tick) <= 1 for tick in axis.ticks)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (1200, "1,200"),
        (12_000, "12k"),
        (1_250_000, "1.25M"),
        (3e9, "3G"),
        (0.00025, "0.00025"),
        (2e-5, "2e-5"),
        (0.9, "0.9"),
    ],
)
def test_numbers_in_few_characters(value, told):
    assert compact(value) == told


def test_charts_without_anything_to_draw_and_with_one_point():
    nan = float("nan")
    assert Chart("C", [Line("", [(0, nan), (1, float("inf"))])]).svg() == ""
    assert "circle" in Chart("C", [Line("", [(0, 0.5)])]).svg()
    assert 'class="span"' in Chart("C", [], [Span(3, 0.3, 0.1, 0.9)]).svg()
