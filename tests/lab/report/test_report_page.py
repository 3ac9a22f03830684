"""The report's page and files."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flatfast.lab.report import Study, summarise, write_report
from flatfast.lab.report.cards import Shown
from flatfast.lab.report.citation import bibtex
from flatfast.lab.report.figures import FIGURES
from flatfast.lab.report.markup import emphasise, formula, text
from flatfast.lab.report.page import page

VOID = {"meta", "img", "source", "link", "br"}


class Reader(HTMLParser):
    """Collects text, links and images, and checks that elements nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [v or "" for n, v in attrs if n in ("src", "srcset", "data", "poster")]
        if tag == "link":
            self.loaded += [v or "" for n, v in attrs if n == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "title", "script"):
            self.words.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def written(full: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(full, tmp_path_factory.mktemp("report"))


def test_one_page_that_needs_nothing_else(written: Path) -> None:
    html = written.read_text(encoding="utf-8")
    reader = read(html)
    assert reader.tags.count("script") == 3  # summary, values, and what works with them
    assert reader.loaded
    assert all(source.startswith("data:image/svg+xml;base64,") for source in reader.loaded)
    assert not re.search(r"@import|url\(", html)
    assert len(html) < 3e6
    assert reader.tags.count("picture") == 8
    assert "prefers-color-scheme: dark" in html


def test_opens_with_the_answer(written: Path, full: Study) -> None:
    summary = summarise(full)
    words = " ".join(read(written.read_text(encoding="utf-8")).words)
    first = words.index(f"{summary['exponent']['estimate']:.3f}")
    assert first < words.index("Best momentum at each learning rate")
    for needed in (
        "2/3 inside",
        "1/2 excluded",
        "steps of momentum 0.9 over the law's",
        "2210.16400",
    ):
        assert needed in words
    assert summary["command"] in words


def test_shows_no_programmers_words(study: Study) -> None:
    words = " ".join(read(page(summarise(study), [])).words)
    found = re.findall(r"\b(nan|None|inf|True|False|dict|null)\b", words)
    assert not found
    assert "not_converged" not in words


def test_escapes_what_comes_from_outside(single: Study) -> None:
    hostile = '<script>alert("x")</script>&'
    manifest = {**single.manifest, "command": hostile, "note": {hostile: hostile}}
    manifest["problem"] = {**manifest["problem"], "name": hostile, "settings": {hostile: hostile}}
    html = page(summarise(replace(single, manifest=manifest)), [])
    assert html.count("<script") == html.count("</script>") == 3
    assert "&lt;script&gt;" in html
    read(html)


def test_settings_are_written_as_people_write_them(single: Study) -> None:
    settings = {"rates": [0.1 + 0.2, None, True], "parts": [{"of_it": 1}, {}], "none": []}
    about = {**single.manifest, "problem": {**single.manifest["problem"], "settings": settings}}
    html = page(summarise(replace(single, manifest=about)), [])
    pairs = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html))
    assert pairs["rates"] == "0.3, unknown, yes"
    assert pairs["parts"] == "of it 1, none"
    assert pairs["none"] == "none"


def test_names_are_written_for_bibtex(single: Study) -> None:
    name = "~/a_b\\c\n {50%} x^2 & #1 $"
    about = {**single.manifest, "problem": {**single.manifest["problem"], "name": name}}
    written = bibtex(summarise(replace(single, manifest=about)))
    note = re.search(r"note = \{(.*)\}", written)
    assert note is not None
    said = r"Report of \~{}/a\_b\textbackslash{}c 50\% x\^{}2 \& \#1 \$, of 2026-01-01"
    assert note[1] == said
    assert written.count("{") == written.count("}")


def test_powers_in_reasons_are_set_as_such(single: Study) -> None:
    missing = Shown(FIGURES[0], None, None, "No C = (1 − momentum) / lr^(2/3) <i> has runs.")
    html = page(summarise(single), [missing])
    assert "lr<sup>2/3</sup> &lt;i&gt; has runs." in html


def test_missing_parts_are_named_with_a_remedy(
    single: Study, unreached: Study, tmp_path: Path
) -> None:
    words = " ".join(read(write_report(single, tmp_path).read_text(encoding="utf-8")).words)
    assert "An exponent needs three or more learning rates" in words
    assert "without their trajectories" in words
    assert "constant comes from the fit, and there is none" in words
    words = " ".join(read(write_report(unreached, tmp_path).read_text(encoding="utf-8")).words)
    assert "Make the runs longer" in words


def test_writes_every_figure_in_both_themes_and_formats(written: Path) -> None:
    names = {path.name for path in (written.parent / "figures").iterdir()}
    drawn = {d.name for d in FIGURES} - {"manifold_path", "cooled_metric"}
    assert names == {f"{d}{t}.{f}" for d in drawn for t in ("", "-dark") for f in ("png", "svg")}


def test_runs_beside_the_page_have_no_trajectories(written: Path, full: Study) -> None:
    runs = pq.read_table(written.parent / "runs.parquet")
    assert runs.num_rows == full.runs.num_rows
    assert "convergence_step" in runs.column_names
    assert not any(name.startswith(("metric:", "record_step")) for name in runs.column_names)


def test_a_second_report_replaces_the_first(single: Study, tiny: Study, tmp_path: Path) -> None:
    write_report(single, tmp_path)
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert figures == {f"time_curves{t}.{f}" for t in ("", "-dark") for f in ("png", "svg")}
    write_report(tiny, tmp_path)
    assert list((tmp_path / "figures").iterdir()) == []
    assert pq.read_table(tmp_path / "runs.parquet").num_rows == tiny.runs.num_rows == 1
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"figures", "index.html", "runs.parquet", "summary.json"}


def test_markup_of_powers() -> None:
    assert formula("lr^(2/3) & mu^-p") == "lr<sup>2/3</sup> &amp; mu<sup>−p</sup>"
    assert emphasise("a < b", "b") == "a &lt; <em>b</em>"
    assert text("<") == "&lt;"
