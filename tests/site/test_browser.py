"""The site in Chromium, the network off: search, schemes, a phone's width, a report."""

import re

import pytest

from tests.explorer.paths import CHROMIUM

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not here")

expect = playwright.expect
WAIT = 60_000  # milliseconds; a busy machine is slow to do what takes a tenth of a second


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        expect.set_options(timeout=WAIT)
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, site):
    """Opens a page from its folder; at the end no request may have left it, and no error come."""
    contexts, requests, errors = [], [], []

    def open_page(name, **options):
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((site / name).as_uri(), wait_until="load", timeout=WAIT)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "data", "blob"}


PHONE = {"width": 390, "height": 844}
PAGES = ("index.html", "start.html", "howto.html", "rescale.html", "results.html", "choose.html")


def test_search_finds_a_page(visit):
    page = visit("index.html")
    page.get_by_role("textbox", name="Search").fill("warm up")
    found = page.locator(".md-search-result__item a", has_text="Warm up, and decay to 0").first
    expect(found).to_be_visible()
    found.click()
    expect(page).to_have_url(re.compile(r"/howto\.html.*#warm-up"))


@pytest.mark.parametrize("name", PAGES)
def test_fits_a_phone(visit, name):
    page = visit(name, viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_follows_the_scheme_with_its_pictures(visit, scheme, dark):
    page = visit("training.html", color_scheme=scheme)
    pictures = page.locator("img[src*='digits-final']")
    shown = pictures.evaluate_all(
        "all => all.filter(one => getComputedStyle(one).display != 'none').map(one => one.src)"
    )
    assert ["-dark" in source for source in shown] == [dark]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    level = sum(map(int, background[4:-1].split(",")[:3])) / 3
    assert (level < 80) == dark


def test_two_clicks_from_the_front_page(visit):
    page = visit("index.html")
    page.get_by_role("link", name="what was measured").click()
    expect(page.locator("h1")).to_contain_text("My batch changed")
    page.go_back()
    page.locator("article").get_by_role("link", name="limitations").click()
    expect(page.locator("h1")).to_contain_text("Limitations")


def test_a_report_opens_from_the_results(visit):
    page = visit("results.html")
    page.locator("a[href='results/matrix-sensing/index.html']").first.click()
    expect(page.locator("h1")).to_contain_text("matrix", ignore_case=True)
    head = page.locator("table th").first
    expect(head).to_be_visible()
