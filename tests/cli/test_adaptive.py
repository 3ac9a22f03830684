"""``flatfast sweep --adaptive`` and ``reproduce --adaptive``: options, answer, going on."""

import json

import pytest

from flatfast.cli.app import run

pytestmark = pytest.mark.usefixtures("unrendered")

LR = ("--lr", "0.002:0.02:3")
GRID = (*LR, "--momentum", "0.9,0.99")
COMMAND = ("sweep", "scalar-product", *LR, "--adaptive", "--width", "1", "--seeds", "3")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*LR,), "--adaptive, which finds them"),
        ((*LR, "--momentum", "0.9,0.99", "--width", "0.2"), "--width is for adaptive sweeps"),
        (
            (*LR, "--momentum", "0.9,0.99", "--budget", "9"),
            "--budget is for adaptive sweeps, got 9",
        ),
        ((*LR, "--adaptive", "--steps", "900"), "chooses its lengths, got --steps 900"),
        (("--lr", "0.01,0.02", "--adaptive"), "at least 3 learning rates, got 2"),
        ((*LR, "--adaptive", "--seeds", "2"), "--seeds, the most, must be at least that, got 2"),
        ((*LR, "--adaptive", "--momentum", "0.9"), "must be two at least, got 0.9 alone"),
        ((*LR, "--adaptive", "--width", "0"), "width must be finite and above 0"),
    ],
)
def test_what_does_not_go_together_is_refused(words, message, tmp_path, capsys):
    folder = tmp_path / "s"
    assert run(["sweep", "scalar-product", *words, "--out", str(folder)]) != 0
    assert message in " ".join(capsys.readouterr().err.split())
    assert not folder.exists()


def test_reproduce_refuses_a_width_for_a_grid(tmp_path, capsys):
    words = ["reproduce", "scalar-product", "--width", "0.2", "--out", str(tmp_path / "s")]
    assert run(words) == 2
    assert "--width is for adaptive sweeps, got 0.2" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "s").exists()


def test_a_pilot_that_finds_nothing_says_what_to_do(tmp_path, capsys):
    folder = str(tmp_path / "s")
    assert run([*COMMAND, "--duration", "0.5", "--out", folder]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "there are runs of a pilot alone" in told
    assert "allow longer runs (--duration)" in told
    assert run(["report", folder]) == 2  # as where a sweep was stopped so early
    assert "repeat the command if it was stopped" in " ".join(capsys.readouterr().err.split())


def test_it_answers_and_goes_on(tmp_path, capsys):
    folder = tmp_path / "s"
    assert run([*COMMAND, "--out", str(folder)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "scalar-product, adaptive, at 3 learning rates, into" in told
    assert "adaptive sweep: the interval of the exponent is" in told
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["exponent"]["high"] - summary["exponent"]["low"] <= 1.05
    assert set(summary["counts"]["by_method"]) == {"grid", "pilot"}
    before = sorted(path.name for path in (folder / "chunks").iterdir())
    assert run([*COMMAND, "--out", str(folder)]) == 0
    assert sorted(path.name for path in (folder / "chunks").iterdir()) == before
