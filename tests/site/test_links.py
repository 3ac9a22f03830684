"""Where a file of the repository is found in the site."""

import pytest

from scripts.site.links import NoPlaceError, named, outside_code, place, rewritten


@pytest.fixture
def root(tmp_path):
    for path in (
        "docs/howto.md",
        "docs/start.md",
        "results/sweep/index.html",
        "results/study/study.json",
        "examples/digits.py",
        "tutorials/calibrate.py",
        "src/inner.toml",
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("docs/howto.md", "howto.md"),
        ("README.md", "index.md"),
        ("results", "results.md"),
        ("results/sweep", "results/sweep/index.html"),
        ("results/sweep/", "results/sweep/index.html"),
        ("results/study", "results.md#study"),
        ("results/study/study.json", "results/study/study.json"),
        ("examples/digits.py", "code/examples/digits.py.md"),
        ("tutorials/calibrate.py", "tutorials/calibrate.md"),
    ],
)
def test_place(root, path, found):
    assert place(path, root) == found


@pytest.mark.parametrize(
    ("path", "why"),
    [("results/none", "there is no such file"), ("src/inner.toml", "the site has no place for it")],
)
def test_what_has_no_place(root, path, why):
    with pytest.raises(NoPlaceError, match=f"^{path}: {why}$"):
        place(path, root)


def test_links_of_a_page(root):
    page = (
        "[a](start.md#x), [b](../results/study), [c](https://arxiv.org), [d](#here)\n"
        '<img src="../results/study/study.json">\n'
        "```python\n[e](nowhere.md)\n```\n"
    )
    assert rewritten(page, "docs/howto.md", root) == (
        "[a](start.md#x), [b](results.md#study), [c](https://arxiv.org), [d](#here)\n"
        '<img src="results/study/study.json">\n'
        "```python\n[e](nowhere.md)\n```\n"
    )
    tutorial = "[a](../docs/start.md), [b](../results/sweep)"
    assert rewritten(tutorial, "tutorials/calibrate.py", root) == (
        "[a](../start.md), [b](../results/sweep/index.html)"
    )


def test_a_link_to_nowhere_names_its_page(root):
    with pytest.raises(NoPlaceError, match=r"^docs/howto\.md links to lost\.md: docs/lost\.md: "):
        rewritten("[a](lost.md)", "docs/howto.md", root)


def test_a_picture_of_two_schemes_follows_the_one_that_the_reader_chose(root):
    (root / "results/a.svg").touch()
    (root / "results/a-dark.svg").touch()
    page = (
        "<picture>\n"
        '<source media="(prefers-color-scheme: dark)" srcset="../results/a-dark.svg">\n'
        '<img alt="A" src="../results/a.svg" width="9">\n'
        "</picture>"
    )
    assert rewritten(page, "docs/howto.md", root) == (
        '<a href="results/a.svg"><img alt="A" src="results/a.svg#only-light" width="9" '
        'loading="lazy"></a><a href="results/a-dark.svg"><img alt="A" '
        'src="results/a-dark.svg#only-dark" width="9" loading="lazy"></a>'
    )


def test_a_link_that_is_called_by_its_file_gets_the_page_s_title():
    page = "[a.md](a.md#x) and [b.md](b.md)\n```\n[a.md](a.md)\n```\n"
    assert named(page, {"a.md": "First"}) == page.replace("[a.md](a.md#x)", "[First](a.md#x)")


def test_code_stays_as_it_is():
    text = "x\n```\nx\n```\nx\n````md\n```\nx\n````\nx"
    assert outside_code(text, str.upper) == "X\n```\nx\n```\nX\n````md\n```\nx\n````\nX"
