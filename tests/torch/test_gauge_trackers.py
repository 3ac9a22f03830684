"""What a gauge knows of calibrations, and what it tells trackers and progress bars."""

import pytest
import torch
from torch import nn

from flatfast import MomentumLaw
from flatfast.torch import Gauge, auto_momentum
from tests.made_up import made_up_calibration
from tests.torch.bowl import sgd, train, weight
from tests.torch.told import Told


def test_calibrations_are_told_with_their_intervals():
    gauge = Gauge(sgd(weight()))
    found = made_up_calibration(C=0.3)
    gauge.calibrated(found)
    told = gauge.readings()
    assert told["C_calibrated"] == 0.3
    assert (told["C_low"], told["C_high"]) == found.interval
    assert "calibrated C 0.3 (0.0" in str(gauge)


def test_measured_laws_are_found_by_themselves():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    gauge = Gauge(optimizer)
    auto_momentum(optimizer, Told("no lasting noise", 0.3), share=0.5)
    for step in range(300):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).square().sum().backward()
        optimizer.step()
        if step == 10:
            assert "C_calibrated" not in gauge.readings()
            assert gauge.readings()["C"] == pytest.approx(0.5 / 0.1 ** (2 / 3))
    found = gauge.readings()
    assert found["C_calibrated"] == found["C"] == 0.3
    assert found["momentum"] == MomentumLaw(0.3)(0.1)
    first, second = gauge._history.calibrations
    assert first.refusal
    assert second.refusal is None


class Log:
    """Stands in for a tracker."""

    def __init__(self):
        self.told = []

    def add_scalar(self, name, value, step):
        self.told.append((name, value, step))

    def log(self, numbers, step=None):
        self.told.append((numbers, step))


def test_trackers():
    w = weight()
    optimizer = sgd(w)
    gauge, log = Gauge(optimizer), Log()
    train(w, optimizer, 2)
    gauge.to_tensorboard(log)
    assert ("gauge/momentum", 0.9, 2) in log.told
    gauge.to_tensorboard(log, step=7, prefix="")
    assert ("momentum", 0.9, 7) in log.told
    gauge.to_wandb(log)
    assert log.told[-1] == (gauge.readings("gauge/"), None)
    gauge.to_wandb(log, step=9)
    assert log.told[-1][1] == 9


def test_tensorboard_keeps_them(tmp_path):
    tensorboard = pytest.importorskip("torch.utils.tensorboard", reason="needs tensorboard")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    gauge = Gauge(sgd(weight()))
    with tensorboard.SummaryWriter(tmp_path) as writer:
        gauge.to_tensorboard(writer, 3)
    kept = events.EventAccumulator(str(tmp_path)).Reload()
    (momentum,) = kept.Scalars("gauge/momentum")
    assert (momentum.step, momentum.value) == (3, pytest.approx(0.9))


def test_weights_and_biases_keeps_them(tmp_path, monkeypatch):
    """Its own client, without its service; where it is not installed the stand-in above serves."""
    wandb = pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(mode="offline", dir=tmp_path, project="gauge")
    gauge = Gauge(sgd(weight()))
    for step in (2, 3):  # a step is kept when the next one comes
        gauge.to_wandb(run, step=step)
    kept = dict(run.summary)
    run.finish()
    assert (kept["gauge/momentum"], kept["_step"]) == (0.9, 2)


def test_tqdm(capsys):
    tqdm = pytest.importorskip("tqdm", reason="needs tqdm")
    gauge = Gauge(sgd(weight()))
    with tqdm.tqdm(total=2) as bar:
        bar.set_postfix(gauge.postfix())
    assert "lr=0.1, momentum=0.900, step=1" in capsys.readouterr().err
