"""The built site: it asks nothing of the network, and has what its pages say."""

import re

import pytest

from scripts.site.percent import ORDER

LOADS = re.compile(r"<(?:script|link|img|iframe|source|audio|video)\b[^>]*>")
ELSEWHERE = re.compile(r'(?:src|href|srcset)="?(?:https?:)?//')
CANONICAL = re.compile(r'rel="?(?:canonical|prev|next)')


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
