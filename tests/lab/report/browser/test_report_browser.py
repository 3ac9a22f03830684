"""The report in a browser: values, enlarging, downloads, sorting; and no request leaves it."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.explorer.paths import CHROMIUM

from flatfast.lab.report import Study, summarise, write_report
from flatfast.lab.report.study import best_momenta

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not here")

expect = playwright.expect
WAIT = 60_000  # milliseconds; a busy machine is slow to do what takes a tenth of a second

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        expect.set_options(timeout=WAIT)
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tested: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tested, tmp_path_factory.mktemp("report"))


@pytest.fixture
def visit(browser: Any, report: Path) -> Iterator[Visit]:
    """Opens the page; at the end there must have been no other request and no message."""
    contexts, requests, messages = [], [], []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(report.as_uri(), wait_until="load", timeout=WAIT)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []
    assert {url for url in requests if not url.startswith(("data:", "blob:"))} == {report.as_uri()}


def column(page: Any, table: Any, index: int) -> list[str]:
    cells = table.locator(f"tbody tr > :nth-child({index + 1})")
    return [cell.split("\n")[0] for cell in cells.all_inner_texts()]


def test_a_mark_tells_its_value_under_the_pointer(visit: Visit, tested: Study) -> None:
    page = visit()
    frame = page.locator("figure[data-name=best_momentum] .frame")
    frame.scroll_into_view_if_needed()
    values = json.loads(page.locator("#values").text_content())["best_momentum"]
    box = frame.bounding_box()
    x, y = values["at"][1]
    page.mouse.move(box["x"] + x * box["width"] + 3, box["y"] + y * box["height"] - 3)
    tip = frame.locator(".tip")
    expect(tip).to_be_visible()
    lr = best_momenta(tested).lr[1]
    assert tip.inner_text().startswith(f"learning rate: {lr:.4g}")
    assert tip.inner_text().count("\n") == 4
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    expect(tip).to_be_hidden()


def test_the_arrow_keys_go_through_the_marks(visit: Visit) -> None:
    page = visit()
    frame = page.locator("figure[data-name=best_momentum] .frame")
    frame.focus()
    told = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"):
        frame.press(key)
        told.append(frame.locator(".tip").inner_text())
    assert told[0] == told[2]
    assert len(set(told)) == 3  # the last one goes round to the end
    frame.press("Escape")
    expect(frame.locator(".tip")).to_be_hidden()


def test_a_figure_fills_the_window_and_goes_back(visit: Visit) -> None:
    page = visit(viewport={"width": 390, "height": 844})
    figure = page.locator("figure[data-name=heat_map]")
    figure.get_by_role("button", name="Enlarge").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    frame = dialog.locator(".frame")
    frame.focus()
    frame.press("ArrowRight")
    expect(frame.locator(".tip")).to_contain_text("learning rate")
    page.keyboard.press("Escape")  # the value
    page.keyboard.press("Escape")  # the dialog
    expect(dialog).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_figures_can_be_kept(visit: Visit, tmp_path: Path) -> None:
    page = visit(accept_downloads=True)
    tools = page.locator("figure[data-name=time_curves] .tools")
    kept = {}
    for name in ("PNG", "SVG", "Data"):
        with page.expect_download() as download:
            tools.get_by_text(name, exact=True).click()
        kept[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(kept[name])
    assert kept["PNG"].name == "digits-mlp-time_curves.png"
    assert kept["PNG"].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in kept["SVG"].read_text(encoding="utf-8")
    values = json.loads(page.locator("#values").text_content())["time_curves"]
    with kept["Data"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == values["columns"]
    assert [float(row[1]) for row in rows[1:]] == [row[1] for row in values["rows"]]


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
    texts = ["1.5 × 10⁻⁵", "10⁻⁶", "–", "0.0002", "> 12\u202f300", "never", "−3"]
    count = len(column(page, table, 0))
    page.evaluate(
        """([texts]) => {
            const tables = [...document.querySelectorAll("table.methods")];
            [...tables.at(-1).tBodies[0].rows].forEach((row, k) => { row.cells[1].textContent = texts[k] ?? "–"; });
        }""",
        [texts],
    )
    assert count >= len(texts)
    table.get_by_role("button").nth(1).click()
    order = ["−3", "10⁻⁶", "1.5 × 10⁻⁵", "0.0002", "> 12\u202f300", "never"]
    assert column(page, table, 1) == [*order, *["–"] * (count - len(order))]


def test_the_command_is_copied(visit: Visit) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    block = page.locator(".around").first
    button = block.get_by_role("button")
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == block.locator("code").inner_text()


def test_without_scripts_all_there_is_to_read_is_there(visit: Visit) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator("button").count() == 0
    assert page.locator("figure img").count() > 5
    assert page.locator("table").count() > 3
