"""The built site: it asks nothing of the network, has what its pages say, and works in a browser.

One file, so that tests on several processes build it once. Chromium opens it from its folder, with
the network off.
"""

import re
import subprocess
import sys

import pytest

from scripts.site.percent import ORDER
from tests.chromium import WAIT
from tests.explorer.paths import ROOT

LOADS = re.compile(r"<(?:script|link|img|iframe|source|audio|video)\b[^>]*>")
ELSEWHERE = re.compile(r'(?:src|href|srcset)="?(?:https?:)?//')
CANONICAL = re.compile(r'rel="?(?:canonical|prev|next)')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site; its build ends with an error where anything is amiss."""
    for name in ("mkdocs", "material", "mkdocstrings", "torch", "jax", "matplotlib"):
        pytest.importorskip(name, reason="needs the docs extra")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {
        path.relative_to(site).as_posix(): path.read_text("utf-8")
        for path in sorted(site.rglob("*.html"))
    }


def test_nothing_is_loaded_from_elsewhere(pages):
    assert len(pages) > 60
    wrong = {
        name: tag
        for name, page in pages.items()
        for tag in LOADS.findall(page)
        if ELSEWHERE.search(tag) and not CANONICAL.search(tag)
    }
    assert not wrong


def test_styles_load_nothing_from_elsewhere(site):
    styles = list(site.rglob("*.css"))
    assert styles
    for style in styles:
        text = style.read_text("utf-8")
        assert not re.search(r"@import|url\([\"']?(?:https?:)?//", text), style


def test_front_page_answers_in_two_clicks(pages):
    """What to write is on it; batch and kinds of training are a link away."""
    front = pages["index.html"]
    assert "couple" in front
    for target in ("start.html", "rescale.html", "calibration.html", "limitations.html"):
        assert f'href="{target}' in front
        assert target in pages


def test_every_tutorial_has_its_figures_and_what_it_printed(site, pages):
    for name in ORDER:
        page = pages[f"tutorials/{name}.html"]
        for picture in (f"{name}.svg", f"{name}-dark.svg"):
            assert picture in page
            assert (site / "tutorials" / picture).stat().st_size > 1000
        assert (site / "tutorials" / f"{name}.ipynb").is_file()
    printed = pages["tutorials/sweep_your_own_problem.html"]
    assert re.search(r"exponent 0\.\d\d \(0\.\d\d to 0\.\d\d\)", printed)


def test_reports_and_data_are_there(site, pages):
    results = pages["results.html"]
    for link in ("results/matrix-sensing/index.html", "results/matrix-sensing/runs.parquet"):
        assert f'href="{link}"' in results
        assert (site / link).is_file()


def test_reference_knows_what_docstrings_refer_to(pages):
    page = pages["reference/torch.html"]
    assert 'href="#flatfast.torch.auto_momentum"' in page
    assert not any(":func:" in text for name, text in pages.items() if name.startswith("reference"))


def test_reference_has_examples_and_returns_as_docstrings_mean_them(pages):
    every = [text for name, text in pages.items() if name.startswith("reference")]
    assert not any(re.search(r"<p>[^<]*::</p>", text) for text in every)
    rescale = pages["reference/torch.html"].partition('id="flatfast.torch.rescale"')[2]
    returned = rescale.partition("Returns:")[2].partition("</ul>")[0]
    assert returned.count("<li") == 1


# --- In a browser ---------------------------------------------------------------------------------


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


def expect(thing):
    from playwright.sync_api import expect as waiting

    return waiting(thing)


def is_dark(page):
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", background)[:3])) / 3 < 80


PHONE = {"width": 390, "height": 844}
REPORT = "results/matrix-sensing/index.html"
PAGES = ("index.html", "start.html", "howto.html", "rescale.html", "results.html", "choose.html")


def test_search_finds_a_page(visit):
    page = visit("index.html")
    page.get_by_role("textbox", name="Search").fill("warm up")
    found = page.locator(".md-search-result__item a", has_text="Warm up, and decay to 0").first
    expect(found).to_be_visible()
    found.click()
    expect(page).to_have_url(re.compile(r"/howto\.html.*#warm-up"))


@pytest.mark.parametrize("name", [*PAGES, REPORT])
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
    assert is_dark(page) == dark


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
    expect(page.locator("table th").first).to_be_visible()


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_a_report_follows_the_scheme(visit, scheme, dark):
    page = visit(REPORT, color_scheme=scheme)
    assert is_dark(page) == dark
