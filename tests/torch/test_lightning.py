"""The callback in real fits of a tiny model: momentum follows, is logged, and is given back."""

import csv

import pytest
import torch
from torch import nn

pytest.importorskip("lightning", reason="needs the lightning extra")

from lightning.fabric import Fabric
from lightning.pytorch.loggers import CSVLogger

import flatfast.torch
from flatfast.torch.lightning import CoupledMomentum
from tests.torch.assertions import assert_pairs_follow, assert_same_weights, assert_used
from tests.torch.bowl import LAW
from tests.torch.lightning_fit import Regression, data, trainer

pytestmark = pytest.mark.usefixtures("quiet_lightning")


def test_momentum_follows_the_schedule(tmp_path):
    model = Regression()
    trainer(tmp_path, CoupledMomentum(C=0.5)).fit(model, data())
    assert len(model.used) == 12
    assert len({lr for lr, _ in model.used}) == 12
    assert_pairs_follow(model.used)


def test_gradient_accumulation(tmp_path):
    model = Regression()
    trainer(tmp_path, CoupledMomentum(C=0.5), accumulate_grad_batches=3).fit(model, data())
    assert len(model.used) == 4
    assert_pairs_follow(model.used)


def test_adam_is_refused_before_the_first_step(tmp_path):
    model = Regression(lambda p: torch.optim.AdamW(p, lr=0.2))
    with pytest.raises(ValueError, match="AdamW has no law of beta1 to follow"):
        trainer(tmp_path, CoupledMomentum(C=0.5)).fit(model, data())
    assert model.used == []


def test_manual_optimization(tmp_path):
    """There the model steps by Lightning's own wrapper of the optimizer."""

    class Manual(Regression):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch):
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch))
            optimizer.step()
            group = optimizer.param_groups[0]
            self.used.append((group["lr"], group["momentum"]))
            self.lr_schedulers().step()

    model = Manual()
    trainer(tmp_path, CoupledMomentum(C=0.5)).fit(model, data())
    assert len({lr for lr, _ in model.used}) == 12
    assert_pairs_follow(model.used)


def test_fabric_s_wrapper_is_coupled_through(tmp_path):
    fabric = Fabric(accelerator="cpu")
    net = nn.Linear(4, 1)
    net, optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), lr=0.2))
    flatfast.torch.couple(optimizer, LAW)
    fabric.backward(net(torch.ones(3, 4)).square().mean())
    optimizer.step()
    assert_used(optimizer.optimizer)


def test_the_fit_s_end_uncouples(tmp_path):
    model = Regression()
    fit = trainer(tmp_path, CoupledMomentum(C=0.5))
    fit.fit(model, data())
    assert fit.optimizers[0].param_groups[0]["momentum"] == 0.3


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_fit_that_fails_uncouples(tmp_path, error):
    class Failing(Regression):
        def on_train_batch_start(self, batch, batch_idx):
            if batch_idx == 1:
                raise error("in the middle")

    model = Failing()
    fit = trainer(tmp_path, CoupledMomentum(C=0.5))
    with pytest.raises((error, SystemExit)):
        fit.fit(model, data())
    assert len(model.used) == 1
    (optimizer,) = fit.optimizers
    assert optimizer.param_groups[0]["momentum"] == 0.3
    flatfast.torch.couple(optimizer, LAW)


def test_a_resumed_fit_is_the_unbroken_one(tmp_path):
    unbroken = Regression()
    trainer(tmp_path, CoupledMomentum(C=0.5, until_end=True)).fit(unbroken, data())

    # max_epochs stays: until_end is about the whole training.
    class Break(CoupledMomentum):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "broken.ckpt")
                trainer.should_stop = True

    trainer(tmp_path, Break(C=0.5, until_end=True), min_epochs=1).fit(Regression(), data())
    resumed = Regression()
    fit = trainer(tmp_path, CoupledMomentum(C=0.5, until_end=True))
    fit.fit(resumed, data(), ckpt_path=tmp_path / "broken.ckpt", weights_only=False)
    assert 0 < len(resumed.used) < len(unbroken.used)
    assert resumed.used == unbroken.used[-len(resumed.used) :]
    assert_same_weights(resumed, unbroken)


def test_without_a_law(tmp_path):
    with pytest.raises(ValueError, match="give C or law: SGD follows none by itself"):
        trainer(tmp_path, CoupledMomentum()).fit(Regression(), data())
    with pytest.raises(ValueError, match="give one of C, law and calibrate"):
        CoupledMomentum(C=0.5, law=LAW)


# --- The log -------------------------------------------------------------------------------------


def test_momentum_is_logged_next_to_the_learning_rate(tmp_path):
    model, logger = Regression(), CSVLogger(tmp_path, name="log", version="")
    trainer(tmp_path, CoupledMomentum(C=0.5), logger=logger).fit(model, data())
    with open(tmp_path / "log" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    logged = [(float(row["lr"]), float(row["momentum"])) for row in rows]
    assert logged == [pytest.approx(pair, rel=1e-6) for pair in model.used]
    for row in rows:
        step = float(row["lr"]) / (1 - float(row["momentum"]))
        assert float(row["effective_step"]) == pytest.approx(step, rel=1e-5)


def test_groups_that_differ_are_told_apart(tmp_path):
    def two_rates(parameters):
        first, *rest = parameters
        groups = [{"params": [first], "lr": 0.1}, {"params": rest}]
        return torch.optim.SGD(groups, lr=0.2, momentum=0.3)

    logger = CSVLogger(tmp_path, name="log", version="")
    model = Regression(two_rates)
    trainer(tmp_path, CoupledMomentum(C=0.5), logger=logger).fit(model, data())
    with open(tmp_path / "log" / "metrics.csv") as file:
        row = next(csv.DictReader(file))
    assert float(row["momentum/0"]) == pytest.approx(LAW(0.1), rel=1e-6)
    assert float(row["momentum/1"]) == pytest.approx(LAW(0.2), rel=1e-6)
    assert "momentum" not in row


def test_an_optimizer_that_follows_by_itself_is_logged(tmp_path):
    model = Regression(lambda p: flatfast.torch.SGD(p, lr=0.2, C=0.5))
    logger = CSVLogger(tmp_path, name="log", version="")
    trainer(tmp_path, CoupledMomentum(), logger=logger).fit(model, data())
    with open(tmp_path / "log" / "metrics.csv") as file:
        first = next(csv.DictReader(file))
    assert float(first["momentum"]) == pytest.approx(LAW(0.2), rel=1e-6)
