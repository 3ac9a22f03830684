"""The values of a report's figures in a browser: by pointer, finger and keys, and enlarged."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from flatfast.lab.report import Study
from flatfast.lab.report.study import best_momenta

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = playwright.expect

Visit = Callable[..., Any]


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


def test_the_ends_and_the_browsers_own_keys(visit: Visit) -> None:
    page = visit()
    frame = page.locator("figure[data-name=best_momentum] .frame")
    frame.focus()
    said = frame.get_by_role("status")
    frame.press("End")
    last = said.inner_text()
    frame.press("Home")
    first = said.inner_text()
    assert first.startswith("learning rate: 0.002; best 1 − momentum: ")
    frame.press("ArrowLeft")
    assert said.inner_text() == last != first
    for modifier in ("altKey", "ctrlKey", "metaKey"):
        assert frame.evaluate(
            """(frame, modifier) => frame.dispatchEvent(new KeyboardEvent("keydown",
                { key: "ArrowLeft", [modifier]: true, cancelable: true }))""",
            modifier,
        ), f"the figure takes an arrow key with {modifier}"
    assert said.inner_text() == last


def test_a_tap_tells_a_value_until_the_next_elsewhere(visit: Visit) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    frame = page.locator("figure[data-name=best_momentum] .frame")
    frame.scroll_into_view_if_needed()
    x, y = json.loads(page.locator("#values").text_content())["best_momentum"]["at"][1]
    box = frame.bounding_box()
    page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(frame.locator(".tip")).to_contain_text("best momentum: ")
    page.touchscreen.tap(box["x"] + 2, box["y"] + box["height"] + 20)
    expect(frame.locator(".tip")).to_be_hidden()


@pytest.mark.parametrize("enlarged", [False, True], ids=["in the page", "enlarged"])
def test_values_lie_inside_a_phones_window(visit: Visit, enlarged: bool) -> None:
    page = visit(viewport={"width": 390, "height": 844})
    for figure in page.locator("figure[data-name]").all():
        if enlarged:
            figure.get_by_role("button", name="Enlarge").click()
        frame = page.locator("dialog .frame") if enlarged else figure.locator(".frame")
        least, greatest, surplus = frame.evaluate(
            """(frame) => {
                frame.focus();
                const tip = frame.querySelector(".tip");
                const scrolled = frame.closest("dialog") ?? document.documentElement;
                const ends = [Infinity, -Infinity, 0];
                for (let k = 0; k < 200; k += 1) {
                    frame.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
                    const { left, right } = tip.getBoundingClientRect();
                    ends[0] = Math.min(ends[0], left);
                    ends[1] = Math.max(ends[1], right);
                    ends[2] = Math.max(ends[2], scrolled.scrollWidth - scrolled.clientWidth);
                }
                return ends;
            }"""
        )
        assert 0 <= least < greatest <= 390
        assert surplus == 0
        if enlarged:
            page.get_by_role("button", name="Close").click()


def test_what_was_told_in_a_wide_window_takes_no_room_in_a_narrow_one(visit: Visit) -> None:
    page = visit()
    frame = page.locator("figure[data-name=heat_map] .frame")
    frame.focus()
    frame.press("Home")
    frame.evaluate("(frame) => { frame.querySelector('.tip').style.left = '2000px'; }")
    frame.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_every_place_of_a_map_tells_its_cell(visit: Visit) -> None:
    page = visit()
    page.locator("figure[data-name=heat_map]").get_by_role("button", name="Enlarge").click()
    frame = page.locator("dialog .frame")
    at = json.loads(page.locator("#values").text_content())["heat_map"]["at"]
    columns = sorted({x for x, _ in at})
    half = min(b - a for a, b in pairwise(columns)) / 2
    assert half * frame.bounding_box()["width"] > 60  # pixels: far from the middle of a cell
    told = frame.evaluate(
        """(frame, places) => places.map(([x, y]) => {
            const box = frame.getBoundingClientRect();
            const [clientX, clientY] = [box.left + x * box.width, box.top + y * box.height];
            frame.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
            const ring = frame.querySelector(".ring");
            return frame.matches(".told") && [ring.style.left, ring.style.top].map(parseFloat);
        })""",
        [[x + side * half, y] for x, y in at for side in (-0.95, 0.5, 0.95)],
    )
    assert np.allclose(told, [[100 * x, 100 * y] for x, y in at for _ in range(3)], atol=1e-3)
    beside = [columns[0] - 1.1 * half, at[0][1]]
    assert not frame.evaluate(
        """(frame, [x, y]) => {
            const box = frame.getBoundingClientRect();
            const [clientX, clientY] = [box.left + x * box.width, box.top + y * box.height];
            frame.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
            return frame.matches(".told");
        }""",
        beside,
    )


def test_a_momentum_is_told_by_its_distance_from_1(visit: Visit) -> None:
    page = visit()
    frame = page.locator("figure[data-name=best_momentum] .frame")
    frame.focus()
    frame.press("Home")
    momentum = json.loads(page.locator("#values").text_content())["best_momentum"]["rows"][0][4]
    (told,) = re.findall(r"best momentum: (0\.99\d+)", frame.get_by_role("status").inner_text())
    assert 1 - float(told) == pytest.approx(1 - momentum, rel=1e-3)


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
