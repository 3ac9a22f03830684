"""The code blocks of README run as they stand, in order; those of pages with a model and data."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RESULT = re.compile(r"^(?!\s)(.*?)  # (\d\.\d{3})\b")
NEEDED = ("torch", "lightning", "transformers", "optax", "diffrax")


def blocks(page):
    return BLOCK.findall((ROOT / page).read_text())


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(page, names):
    for name in NEEDED:
        pytest.importorskip(name, reason=f"needs the {name} extra")
    import torch

    torch.manual_seed(0)
    found = blocks(page)
    assert found
    for block in found:
        exec(compile(block, page, "exec"), names)
        for expression, value in filter(None, map(claim, block.splitlines())):
            assert eval(expression, names) == pytest.approx(float(value), abs=6e-4), expression


def test_readme_runs_as_it_stands():
    """With nothing but what its blocks import and make, and to the end that it shows."""
    names = {}
    run("README.md", names)
    assert names["found"].ok
    optimizer = names["optimizer"]
    optimizer.step()
    assert optimizer.param_groups[0]["momentum"] == names["found"].law(0.1)


@pytest.mark.parametrize(
    "page",
    [
        "docs/index.md",
        "docs/start.md",
        "docs/howto.md",
        "docs/special_cases.md",
        "docs/rescale.md",
        "docs/calibration.md",
        "docs/find.md",
        "docs/ordinary.md",
        "docs/theory.md",
        "docs/adam.md",
        "docs/timescales.md",
        "docs/prefactor.md",
        "docs/your_problem.md",
        "docs/watch_training.md",
    ],
)
def test_code_blocks_run(page):
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    batch = (torch.randn(8, 3), torch.randn(8, 1))
    names = {"torch": torch, "F": torch.nn.functional, "loader": [batch]}
    names["model"] = torch.nn.Linear(3, 1)
    run(page, names)


NAME = re.compile(r"\b(?:flatfast|studies)(?:\.[A-Za-z]\w*)+")
NAMING = [
    *(ROOT / page for page in ("README.md", "CONTRIBUTING.md")),
    *(
        path
        for folder in ("docs", "src", "studies")
        for path in sorted((ROOT / folder).rglob("*.*"))
    ),
]


def is_there(name):
    """Whether a dotted name is a module's, or of something that a module speaks of."""
    first, *rest = name.split(".")
    place = ROOT / ("src" if first == "flatfast" else "") / first
    while rest and ((place / rest[0]).is_dir() or (place / f"{rest[0]}.py").is_file()):
        place /= rest.pop(0)
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return not rest or re.search(rf"\b{rest[0]}\b", source.read_text()) is not None


def test_names_of_modules_are_those_of_modules():
    assert is_there("flatfast.lab.forecast")
    assert is_there("flatfast.estimate.Estimate.relative")
    assert not is_there("flatfast.lab.predict")
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in NAMING
        if path.suffix in (".py", ".md")
        for name in NAME.findall(path.read_text())
        if not is_there(name)
    ]
    assert not wrong


def claim(line):
    """``expression  # 0.748``: what a line says that it gives."""
    match = RESULT.match(line)
    return match.groups() if match and is_expression(match[1]) else None


def is_expression(source):
    """Whether it has a value: an assignment has none, a call with keywords has."""
    try:
        ast.parse(source, mode="eval")
    except SyntaxError:
        return False
    return True


def test_claims_are_read():
    assert claim("transfer(0.1, 0.9, 0.4)  # 0.748") == ("transfer(0.1, 0.9, 0.4)", "0.748")
    assert claim("rule(0.1, lr=0.4).lr  # 0.748") == ("rule(0.1, lr=0.4).lr", "0.748")
    assert claim("k = 3  # 0.748") is None
    assert claim("    optimizer.step()  # at learning rate 0.4") is None
    assert (
        sum(bool(claim(line)) for block in blocks("docs/howto.md") for line in block.splitlines())
        == 7
    )


@pytest.mark.parametrize(
    "page",
    ["README.md", *(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md"))],
)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert ((ROOT / page).parent / target).exists(), target
