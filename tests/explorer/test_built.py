"""The built page: of the sources that lie here, small, offline, in the colours of the reports."""

import hashlib
import json
import re

import numpy as np
import pytest
from matplotlib.colors import to_hex

from flatfast.lab.report.theme import DARK, LIGHT
from tests.explorer.paths import EXPLORER, PAGE, ROOT, SUMMARY

STYLE = (EXPLORER / "src" / "page.css").read_text("utf-8")


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text("utf-8")


def test_is_made_of_the_sources_that_lie_here(page):
    parts = [path for path in (EXPLORER / "src").iterdir() if path.is_file()]
    parts += [EXPLORER / "build.js", EXPLORER / "package-lock.json", SUMMARY]
    digest = hashlib.sha256()
    for path in sorted(part.relative_to(ROOT).as_posix() for part in parts):
        text = (ROOT / path).read_bytes()
        digest.update(f"{path}\n{len(text)}\n".encode())
        digest.update(text)
    named = re.search(r'<meta name="sources" content="([0-9a-f]{64})">', page)
    assert named is not None
    assert named[1] == digest.hexdigest(), "docs/explorer.html is stale: run `make explorer`"


def test_is_small(page):
    assert len(page.encode()) < 300_000


def test_asks_nothing_of_the_network(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none';")
    assert "http" not in policy[1]
    assert not re.search(r"\b(?:src|srcset)=|@import|url\((?!#)", page)
    assert re.findall(r'href="([^"#]+)"', page) == ["data:,", "https://arxiv.org/abs/2210.16400"]


def test_has_the_committed_prefactor(page):
    found = re.search(r'<script type="application/json" id="lab-C">(.+?)</script>', page)
    assert found is not None
    lab, summary = json.loads(found[1]), json.loads(SUMMARY.read_text("utf-8"))
    best = summary["best_C"]
    assert [lab["C"], lab["low"], lab["high"]] == [best[k] for k in ("estimate", "low", "high")]
    assert (lab["noise"], lab["batch"], lab["goal"]) == (0.5, 1, 1.25)
    assert summary["problem"]["settings"]["noise_std"] == lab["noise"]
    assert summary["problem"]["goal"]["threshold"] == 2 * lab["goal"]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_has_the_colours_of_the_reports(theme):
    blocks = re.findall(r":root[^{]*\{([^}]+)\}", STYLE)
    ours = [block for block in blocks if f"--card: {theme.surface};" in block]
    # The dark ones are said twice: for who chose them, and for whose system has.
    assert len(ours) == (1 if theme is LIGHT else 2)
    ramp = [to_hex(theme.ordered()(share)) for share in np.linspace(1, 0, 7)]
    expected = {"ink": theme.ink, "accent": theme.accent, "dot": theme.second, "grid": theme.grid}
    expected |= {"good": theme.categories[1]} | {f"lr{i}": c for i, c in enumerate(ramp)}
    for block in ours:
        colours = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6});", block))
        assert {name: colours[name] for name in expected} == expected


def test_versions_of_the_tools_are_pinned():
    package = json.loads((EXPLORER / "package.json").read_text("utf-8"))
    lock = json.loads((EXPLORER / "package-lock.json").read_text("utf-8"))
    assert "dependencies" not in package  # what the page runs is what lies here
    for name, version in package["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    assert all("integrity" in entry for name, entry in lock["packages"].items() if name)
