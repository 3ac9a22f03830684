"""What somebody gets who copies the template and the commands that its page has."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from flatfast.cli.app import run
from flatfast.lab.problems import template

PAGE = Path(__file__).parents[2] / "docs" / "your_problem.md"
COMMANDS = [
    line.strip()
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("    flatfast sweep my_problem.py:problem ")
]


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """Runs a command of the page beside a copy of the template; its folder and summary."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(template.__file__, "my_problem.py")

    def sweep(command):
        assert run(shlex.split(command)[1:]) == 0
        (page,) = Path("runs").glob("*/summary.json")
        return page.parent, json.loads(page.read_text("utf-8"))

    return sweep


def test_the_page_begins_with_the_template_s_own_command():
    assert COMMANDS[0] in template.__doc__
    assert len([command for command in COMMANDS if "--optimizer adam" in command]) == 1


@pytest.mark.slow  # test_somebodys_own_problem is the smaller one
@pytest.mark.parametrize("command", [each for each in COMMANDS if "--optimizer" not in each])
def test_every_learning_rate_has_a_best_momentum(swept, command):
    _, summary = swept(command)
    assert [each["located"] for each in summary["best_momentum"]] == [True] * 4
    assert summary["exponent"]["low"] < summary["exponent"]["high"] < 1


@pytest.mark.slow
@pytest.mark.parametrize("command", [each for each in COMMANDS if "--optimizer adam" in each])
def test_adam_has_a_plateau_and_an_edge(swept, command):
    folder, summary = swept(command)
    assert not any(each["located"] for each in summary["best_momentum"])
    rows = pq.read_table(folder / "runs.parquet").to_pydict()
    lr, beta = np.array(rows["lr"]), np.array(rows["momentum"])
    steps = np.array([np.inf if at is None else at for at in rows["convergence_step"]])
    for rate in np.unique(lr):
        median = [np.median(steps[(lr == rate) & (beta == each)]) for each in np.unique(beta)]
        plateau = np.unique(beta) < 0.92
        assert max(np.array(median)[plateau]) < 1.15 * min(median)
        assert median[-1] == np.inf
