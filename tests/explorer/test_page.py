"""The page in a browser: Debian's Chromium, driven by Playwright, the page opened as a file."""

import re

import pytest

from tests.chromium import WAIT
from tests.explorer.paths import PAGE

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

expect = playwright.expect


@pytest.fixture
def visit(browser):
    """Opens the page at a state; at the end there must be no request and no message."""
    contexts, requests, messages = [], [], []

    def open_page(state="", **options):
        options = {"viewport": {"width": 1280, "height": 800}, **options}
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(PAGE.as_uri() + state, wait_until="load", timeout=WAIT)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []
    # The page itself, and its worker, which is a part of it.
    assert {re.match("[a-z]+:", url)[0] for url in requests} <= {"file:", "blob:"}
    assert {url.split("#")[0] for url in requests if url.startswith("file:")} == {PAGE.as_uri()}


def momentum(page):
    return float(page.locator("#mu-out").inner_text())


def test_the_first_sentence_answers(visit):
    page = visit("#lr=0.001")
    assert page.inner_text("h1").startswith("At learning rate 0.001, momentum should be 0.9941")
    assert momentum(page) == 0.9941


def test_a_dragged_learning_rate_takes_the_momentum_along(visit):
    page = visit("#lr=0.001")
    box = page.get_by_role("slider", name="Learning rate").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.667, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.336, middle, steps=4)
    page.mouse.up()
    expect(page.locator("#lr-out")).to_have_text(re.compile(r"^0\.0001|^0\.00009"))
    lr = float(re.search(r"lr=([0-9.]+)", page.url)[1])
    assert 0.9e-4 < lr < 1.1e-4
    assert 1 - momentum(page) == pytest.approx(0.593 * lr ** (2 / 3), rel=0.05)
    assert "m=" not in page.url


def test_a_momentum_of_ones_own_stays_when_the_learning_rate_moves(visit):
    page = visit("#lr=0.001")
    slider = page.get_by_role("slider", name="Momentum", exact=True)
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.wait_for_url("**m=**")
    expect(page.locator("#mu-out")).not_to_have_text("0.9941")
    own = momentum(page)
    assert own < 0.9941
    assert not page.get_by_label("follow the law").is_checked()
    page.get_by_role("slider", name="Learning rate").press("ArrowLeft")
    expect(page.locator("#lr-out")).not_to_have_text("0.001")
    assert momentum(page) == own
    page.get_by_role("button", name="best C").click()
    expect(page.get_by_label("follow the law")).to_be_checked()
    assert "m=" not in page.url


def test_a_link_has_the_state(visit):
    page = visit("#lr=0.0001&m=0.9987&noise=0.25&batch=4&runs=200&goal=1.1&theme=dark")
    assert page.locator("#lr-out").inner_text() == "0.0001"
    assert momentum(page) == 0.9987
    assert page.locator("#noise-out").inner_text() == "0.25"
    assert page.locator("#batch-out").inner_text() == "4"
    assert page.locator("#runs").input_value() == "200"
    assert page.locator("#goal").input_value() == "1.1"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"
    page.evaluate("location.hash = '#lr=0.01&C=1'")
    expect(page.locator("#lr-out")).to_have_text("0.01")
    assert 1 - momentum(page) == pytest.approx(0.01 ** (2 / 3), rel=0.02)


def test_runs_arrive_and_say_so(visit):
    page = visit("#lr=0.01&speed=4")
    expect(page.locator("#status")).to_contain_text("stayed there")
    page.get_by_role("button", name="Pause").click()
    said = page.inner_text("#status")
    found = re.search(r"(\d+) of 20 runs are within 25%.*from step (\d+) ", said)
    assert int(found[1]) >= 10
    assert 40 < int(found[2]) < 400  # 5.9 / 0.01^(2/3) is 127
    assert said in page.get_attribute("#plane", "aria-label")


def test_curves_are_measured(visit):
    page = visit()
    page.wait_for_selector("#goal-chart .best", state="attached")
    page.wait_for_selector("#collapse .best", state="attached")
    expect(page.locator("#goal-caption")).to_contain_text("goes as lr to the 0.")
    assert page.get_attribute("#collapse", "aria-label").startswith("The same curves")


def test_pause_and_restart(visit):
    page = visit("#lr=0.001")
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("button", name="Play").is_visible()
    page.wait_for_timeout(600)
    said = page.inner_text("#status")
    page.wait_for_timeout(900)
    assert page.inner_text("#status") == said
    page.get_by_role("button", name="Restart").click()
    assert page.inner_text("#status").startswith("Step 0.")


@pytest.mark.parametrize("state", ["", "#lr=0.00001&m=0.5&runs=200", "#lr=0.0123&C=20&batch=16"])
def test_nothing_is_cut_off_on_a_phone(visit, state):
    page = visit(state, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    # Nothing of a chart beyond its own edges, save what its clip hides.
    outside = page.evaluate(
        """[...document.querySelectorAll('svg.chart')].flatMap(svg => {
            const frame = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1;
            }).map(text => text.textContent);
        })"""
    )
    assert outside == []
    small = page.evaluate(
        """[...document.querySelectorAll('button, select, input')]
            .filter(e => e.offsetParent && e.closest('label, .check') === null)
            .map(e => [e.id, e.getBoundingClientRect().height]).filter(([, high]) => high < 28)"""
    )
    assert small == []


def test_every_input_has_a_name(visit):
    page = visit()
    names = ["Learning rate", "Momentum", "C of the law", "Label noise", "Batch size"]
    for name in names:
        slider = page.get_by_role("slider", name=name, exact=True)
        assert slider.get_attribute("aria-valuetext")
    assert page.get_by_role("slider").count() == len(names)
    for name in ("Goal", "Runs", "Speed"):
        assert page.get_by_role("combobox", name=name).is_visible()
    assert page.get_by_role("img").count() == 5
    assert all(img.get_attribute("aria-label") for img in page.get_by_role("img").all())


def test_a_wish_for_no_motion_is_heard(visit):
    page = visit("#lr=0.001", reduced_motion="reduce")
    said = page.inner_text("#status")
    assert page.get_by_role("button", name="Play").is_visible()
    assert int(re.match(r"Step ([\d,]+)\.", said)[1].replace(",", "")) > 300
    page.wait_for_timeout(900)
    assert page.inner_text("#status") == said


def test_colours_can_be_switched(visit):
    page = visit(color_scheme="light")
    page.get_by_role("button", name="Switch to dark colours").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"
    assert page.url.endswith("theme=dark")
    page.get_by_role("button", name="Switch to light colours").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(244, 245, 247)"


def test_a_reader_without_scripts_is_told(visit):
    page = visit(java_script_enabled=False)
    assert "What should momentum be" in page.inner_text("h1")
    assert "momentum 0.9941" in page.inner_text("main")
    assert not page.locator("#controls").is_visible()
