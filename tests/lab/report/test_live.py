"""The page of a sweep as it goes on: what it says, and that it stops when the sweep does."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.lab.fake import SETTINGS, FakeEngine, plan

from flatfast.lab.report import remove_report
from flatfast.lab.report.live import MOST, LivePage, live_page
from flatfast.lab.status import LIVE, State, Status, StatusFile, write_status
from flatfast.lab.store import Store
from flatfast.lab.sweep import sweep
from flatfast.lab.tally import Tally

RUNS = plan()
WANTED = Counter(zip(RUNS.lr.tolist(), RUNS.momentum.tolist(), strict=True))
STATUS = Status(
    State.RUNNING, "grid", "processes", 2, 54, 27, 0, 900, 450, 300, 1234.0, 10.0, 0.0, 3600.0
)


class Checked(HTMLParser):
    """Fails on tags that do not close."""

    VOID = frozenset({"meta"})

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def tally(tmp_path):
    with Store(tmp_path / "s", SETTINGS) as store:
        sweep(RUNS[:27], store, FakeEngine())
    tally = Tally(tmp_path / "s")
    tally.update()
    return tally


def test_the_page_says_how_it_goes_on(tally):
    page = live_page("a & b", STATUS, tally, WANTED)
    checked = Checked()
    checked.feed(page)
    assert checked.open == []
    assert "a &amp; b: grid, 50% done" in page
    for said in ("27 of 54", "1.23 k", "processes, 2 workers", "0:00:45", "width:50.0%"):
        assert said in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert page.count("--done:100%") == 4
    assert page.count("--done:50%") == 1
    assert "6 of 6 runs, 4 reached the goal" in page
    assert page.count("<td") == 9


def test_it_loads_itself_again_until_the_sweep_ends(tally):
    told = {
        State.RUNNING: "grid, 50% done",
        State.DONE: "all runs are made",
        State.STOPPED: "stopped at 50%",
        State.FAILED: "the sweep has failed",
    }
    for state, words in told.items():
        page = live_page("x", replace(STATUS, state=state), tally)
        assert words in page
        assert ('http-equiv="refresh"' in page) == (state is State.RUNNING)
    assert "1:00:00" in live_page("x", replace(STATUS, state=State.DONE), tally)


def test_failures_are_told_with_their_cause(tally):
    failed = replace(
        STATUS, failures={"too <wide>": 1200}, state=State.FAILED, error="all went wrong"
    )
    page = live_page("x", failed, tally)
    assert "1\u202f200 runs could not be made: too &lt;wide&gt;" in page
    assert "all went wrong" in page


def test_nothing_stored_and_nothing_known(tmp_path):
    page = live_page("x", Status(), Tally(tmp_path))
    assert "the sweep, 0% done" in page
    assert "not known" in page
    assert "<table" not in page


def test_many_cells_share_places_in_order(tmp_path):
    tally = Tally(tmp_path)
    cells = [
        (lr, 1 - mu)
        for lr in np.geomspace(1e-3, 1e-1, 40).tolist()
        for mu in np.geomspace(0.5, 1e-3, 50).tolist()
    ]
    for cell in cells:
        tally.stored[cell] = 2
        tally.converged[cell] = 1
    page = live_page("x", STATUS, tally, dict.fromkeys(cells, 4))
    heads = re.findall(r'<th scope="(col|row)">([^<]*)…</th>', page)
    for axis in ("col", "row"):
        labels = [float(label) for kind, label in heads if kind == axis]
        assert labels == sorted(set(labels))
        assert len(labels) == MOST
    titles = re.findall(r'title="(\d+) of (\d+) runs, (\d+) reached', page)
    assert np.sum(np.array(titles, int), axis=0).tolist() == [4000, 8000, 2000]
    assert set(re.findall(r"--done:(\d+)%;--hit:(\d+)%", page)) == {("50", "25")}


def test_it_lies_in_the_folder_and_goes_with_the_runs(tmp_path):
    with Store(tmp_path / "s", SETTINGS) as store:
        page = LivePage(store.folder, "fake", WANTED)
        with StatusFile(store, ("grid",), also=page) as status:
            sweep(RUNS, store, FakeEngine(), status)
    text = (tmp_path / "s" / LIVE).read_text()
    assert "all runs are made" in text
    assert text.count("--done:100%") == 9
    with Store(tmp_path / "s", {**SETTINGS, "records": 5}, fresh=True, on_fresh=remove_report) as s:
        sweep(RUNS, s, FakeEngine())
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        ".lock",
        "chunks",
        "manifest.json",
    }


def test_a_folder_with_a_page_and_no_runs_is_anybodys(tmp_path):
    write_status(tmp_path, STATUS)
    (tmp_path / LIVE).write_text("")
    with Store(tmp_path, SETTINGS) as store:
        assert not store.done()
