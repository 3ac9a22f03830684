"""``flatfast calibrate`` as a user gives it."""

import json

import pytest

from flatfast.calibration import Calibration
from tests.made_up import made_up_calibration

MODEL = """
import torch
from flatfast.torch import LabelNoise

class Pairs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.x = torch.nn.Parameter(torch.linspace(0.5, 2.0, 40))
        self.y = torch.nn.Parameter(torch.zeros(40))

    def forward(self, index):
        return self.x[index] * self.y[index]

def make(noise_std=0.3):
    noise = LabelNoise(noise_std)
    loss = lambda f, y: (f - noise(y)).square().mean() / 2
    return Pairs(), loss, (torch.arange(40), torch.zeros(40))

def wrong():
    return Pairs(), None
"""


def test_a_problem_of_the_lab(flatfast, tmp_path):
    answer = flatfast(
        "calibrate", "scalar-product", "--lr", 1e-4, "--out", "c.json", "--figure", "c.png"
    )
    assert answer.code == 0, answer.err
    assert "C = " in answer.out
    assert "momentum 0.99" in answer.out
    found = Calibration.from_json((tmp_path / "c.json").read_text())
    assert found.ok
    assert (tmp_path / "c.png").stat().st_size > 10_000


def test_without_a_learning_rate_a_pair_is_named(flatfast, tmp_path):
    answer = flatfast("calibrate", "scalar-product", "--out", "c.json")
    assert answer.code == 0, answer.err
    pair = Calibration.from_json((tmp_path / "c.json").read_text()).pair
    assert answer.out.startswith(f"Use lr {pair.lr:g} with momentum {pair.momentum:.4g}")


def test_settings_reach_the_problem(flatfast, tmp_path):
    flatfast("calibrate", "scalar-product", "--lr", 1e-4, "--out", "a.json")
    flatfast("calibrate", "scalar-product", "--lr", 1e-4, "--out", "b.json", "--set", "noise_std=4")
    low, high = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    # eps^(2/3), 8 times the noise
    assert high["C"]["value"] == pytest.approx(4 * low["C"]["value"], rel=1e-3)


def test_somebodys_own_model(flatfast, tmp_path):
    pytest.importorskip("torch", reason="needs the torch extra")
    (tmp_path / "mine.py").write_text(MODEL)
    answer = flatfast("calibrate", "mine.py:make", "--lr", 0.01, "--budget", 200)
    assert answer.code == 0, answer.err
    assert "C = " in answer.out
    wrong = flatfast("calibrate", "mine.py:wrong", "--lr", 0.01).told(2)
    assert "must return (model, loss_fn, data), got 2 values" in wrong


def test_where_no_noise_lasts_the_momentum_in_use_is_placed_and_drawn(flatfast, tmp_path):
    answer = flatfast(
        "calibrate", "digits-mlp", "--lr", 0.01, "--set", "noise_std=0", "--set", "batch_size=16",
        "--momentum", 0.5, "--figure", "w.svg",
    )  # fmt: skip
    assert answer.code == 3
    assert "o yours, 0.5" in answer.out
    assert "what bounds momentum instead" in (tmp_path / "w.svg").read_text()


def test_no_is_said_and_is_the_exit_code(flatfast):
    answer = flatfast("calibrate", "digits-mlp", "--lr", 0.01, "--set", "start=init")
    assert answer.code == 3
    assert answer.out.startswith("Use momentum 0.9, or what has served you")
    assert "not near the manifold" in answer.out


def test_too_few_gradients_are_told_as_such(flatfast, monkeypatch):
    from flatfast.lab import calibration

    short = made_up_calibration(doubt="signal below its error")
    monkeypatch.setattr(calibration, "calibrate_problem", lambda *_, **__: short)
    answer = flatfast("calibrate", "scalar-product", "--lr", 0.1)
    assert answer.code == 3
    assert answer.out.startswith("Nothing is known yet, 120 gradient evaluations are too few")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scalar-product", "--lr", -1), "lr must be positive"),
        (("scalar-product", "--lr", 0.1, "--budget", 3), "budget must be at least 40"),
        (("scalar-produkt", "--lr", 0.1), "did you mean scalar-product"),
        (("nowhere.py:make", "--lr", 0.1), "no file nowhere.py"),
        (("scalar-product", "--out", "gone/c.json"), "--out must lie in a folder that is there"),
        (("scalar-product", "--out", "."), "--out must be a file, and . is a folder"),
        (("scalar-product", "--figure", "gone/c.png"), "--figure must lie in a folder that is"),
        (("scalar-product", "--figure", "c"), "--figure must end as a figure does, .svg or .png"),
        (("scalar-product", "--figure", "c.json"), "for instance, got c.json"),
    ],
)
def test_bad_input(flatfast, words, message):
    assert message in flatfast("calibrate", *words).told(2)
