"""The report in a browser: downloads, sorting, copying, and what is there without scripts."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flatfast.lab.report import Study, summarise
from flatfast.lab.report.cards import Shown
from flatfast.lab.report.figures import FIGURES
from flatfast.lab.report.page import page as page_of
from flatfast.lab.report.values import Values
from flatfast.lab.report.write import write_page

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = playwright.expect

Visit = Callable[..., Any]


def column(page: Any, table: Any, index: int) -> list[str]:
    cells = table.locator(f"tbody tr > :nth-child({index + 1})")
    return [cell.split("\n")[0] for cell in cells.all_inner_texts()]


def test_figures_can_be_kept(visit: Visit, tmp_path: Path) -> None:
    page = visit(accept_downloads=True)
    tools = page.locator("figure[data-name=time_curves] .tools")
    kept = {}
    for name in ("PNG", "SVG", "CSV"):
        with page.expect_download() as download:
            tools.get_by_text(name, exact=True).click()
        kept[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(kept[name])
    assert kept["PNG"].name == "digits-mlp-time_curves.png"
    assert kept["PNG"].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in kept["SVG"].read_text(encoding="utf-8")
    values = json.loads(page.locator("#values").text_content())["time_curves"]
    with kept["CSV"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == values["columns"]
    assert [float(row[1]) for row in rows[1:]] == [row[1] for row in values["rows"]]


def test_words_that_look_like_formulas_are_kept_as_words(
    visit: Visit, single: Study, report: Path, tmp_path: Path
) -> None:
    drawing = FIGURES[0]
    svg = (report.parent / "figures" / f"{drawing.name}.svg").read_bytes()
    rows = (("=1+1", -2.5), ("@a", None), ("-b, c", 3), ('"d"\r', 4), ("− e", 5))
    values = Values(("+name", "number"), rows, ((0.5, 0.5),) * len(rows))
    about = {**single.manifest, "problem": {**single.manifest["problem"], "name": "n/" * 200}}
    summary = summarise(replace(single, manifest=about))
    path = write_page(tmp_path, page_of(summary, [Shown(drawing, svg, svg, values=values)]))
    page = visit(path, accept_downloads=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert len(download.value.suggested_filename) < 120
    download.value.save_as(tmp_path / "kept.csv")
    with (tmp_path / "kept.csv").open(encoding="utf-8", newline="") as file:
        kept = list(csv.reader(file))
    assert kept[0] == ["'+name", "number"]
    assert kept[1:] == [
        ["'=1+1", "-2.5"],
        ["'@a", ""],
        ["'-b, c", "3"],
        ['"d"\r', "4"],
        ["− e", "5"],
    ]


def test_all_numbers_can_be_kept(visit: Visit, tested: Study, tmp_path: Path) -> None:
    page = visit(accept_downloads=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all numbers").click()
    download.value.save_as(tmp_path / "numbers.json")
    read = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert read == json.loads(json.dumps(summarise(tested)))


def test_tables_sort_by_number_and_back(visit: Visit) -> None:
    page = visit()
    table = page.locator("table").first
    before = column(page, table, 0)
    button = table.get_by_role("button", name="steps to the goal")
    head = table.locator("th", has=page.get_by_role("button", name="steps to the goal"))
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    steps = [float(each.replace("\u202f", "")) for each in column(page, table, 3)]
    assert steps == sorted(steps)
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(each.replace("\u202f", "")) for each in column(page, table, 3)] == steps[::-1]
    button.click()
    assert head.get_attribute("aria-sort") is None
    assert column(page, table, 0) == before


def test_cells_are_read_as_numbers(visit: Visit) -> None:
    page = visit()
    table = page.locator("table.methods").last
    head = table.get_by_role("button").nth(1)
    numbers = ["−3", "10⁻⁶", "1.5 × 10⁻⁵", "0.0002", "> 12\u202f300", "∞", "never", "–"]
    ratios = ["0.541×", "less than 1.35×", "1.35×", "more than 1.35×", "about 4.28×", "26%", "–"]
    for ordered in (numbers, ratios):
        count = table.locator("tbody").evaluate(
            """(body, texts) => {
                [...body.rows].forEach((row, k) => { row.cells[1].textContent = texts[k] ?? "–"; });
                return body.rows.length;
            }""",
            ordered[::-1],
        )
        assert count >= len(ordered)
        head.click()
        assert column(page, table, 1) == [*ordered, *["–"] * (count - len(ordered))]
        head.click()
        known = [text for text in ordered if text not in ("–", "never")]
        words = [text for text in ordered if text == "never"]
        assert column(page, table, 1)[: len(ordered) - 1] == [*known[::-1], *words]
        head.click()


def test_the_command_is_copied(visit: Visit) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    block = page.locator("pre").first
    button = page.locator("pre + .tools").first.get_by_role("button")
    assert button.bounding_box()["y"] >= block.bounding_box()["y"] + block.bounding_box()["height"]
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == block.locator("code").inner_text()


def test_figures_are_light_on_paper_and_dark_again(visit: Visit) -> None:
    page = visit(color_scheme="dark")
    dark = "document.querySelector('img').currentSrc !== document.querySelector('img').src"
    assert page.evaluate(dark)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(f"!({dark})")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function(dark)


def test_without_scripts_all_there_is_to_read_is_there(visit: Visit) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator("button").count() == 0
    assert page.locator("figure img").count() > 5
    assert page.locator("table").count() > 3
