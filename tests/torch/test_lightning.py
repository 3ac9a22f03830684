"""The callback in real fits of a tiny model."""

import csv
import logging
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

pytest.importorskip("lightning", reason="needs the lightning extra")

from lightning.fabric import Fabric
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.calibration import CalibrationError
from flatfast.torch.coupling import coupling_of
from flatfast.torch.lightning import CoupledMomentum
from tests.made_up import made_up_calibration

LAW = MomentumLaw(C=0.5)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Regression(LightningModule):
    def __init__(self, optimizer=None):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        self.make = optimizer or (lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.3))
        self.used = []

    def training_step(self, batch):
        x, y = batch
        return (self.net(x) - y).square().mean()

    def configure_optimizers(self):
        optimizer = self.make(self.net.parameters())
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        group = optimizer.param_groups[0]
        self.used.append((group["lr"], group["momentum"]))


def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(12, 4, generator=generator)
    return DataLoader(TensorDataset(x, x[:, :1].sin()), batch_size=4)


def trainer(tmp_path, *callbacks, **options):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1}
    options = {"max_epochs": 4, "logger": False, "enable_checkpointing": False, **options}
    return Trainer(
        accelerator="cpu", callbacks=list(callbacks), default_root_dir=tmp_path, **quiet, **options
    )


def weights(model):
    return [p.detach().clone() for p in model.net.parameters()]


def test_momentum_follows_the_schedule(tmp_path):
    model = Regression()
    trainer(tmp_path, CoupledMomentum(C=0.5)).fit(model, data())
    assert len(model.used) == 12
    assert len({lr for lr, _ in model.used}) == 12
    assert all(momentum == LAW(lr) for lr, momentum in model.used)


def test_the_fit_s_end_uncouples(tmp_path):
    model = Regression()
    fit = trainer(tmp_path, CoupledMomentum(C=0.5))
    fit.fit(model, data())
    assert fit.optimizers[0].param_groups[0]["momentum"] == 0.3


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
    for ours, theirs in zip(weights(resumed), weights(unbroken), strict=True):
        assert torch.equal(ours, theirs)


def test_an_optimizer_that_follows_by_itself_is_logged(tmp_path):
    model = Regression(lambda p: flatfast.torch.SGD(p, lr=0.2, C=0.5))
    logger = CSVLogger(tmp_path, name="log", version="")
    trainer(tmp_path, CoupledMomentum(), logger=logger).fit(model, data())
    with open(tmp_path / "log" / "metrics.csv") as file:
        first = next(csv.DictReader(file))
    assert float(first["momentum"]) == pytest.approx(LAW(0.2), rel=1e-6)


def test_without_a_law(tmp_path):
    with pytest.raises(ValueError, match="give C or law: SGD follows none by itself"):
        trainer(tmp_path, CoupledMomentum()).fit(Regression(), data())
    with pytest.raises(ValueError, match="give one of C, law and calibrate"):
        CoupledMomentum(C=0.5, law=LAW)


def test_until_end_needs_an_end(tmp_path):
    with pytest.raises(ValueError, match="until_end needs a Trainer with max_steps or max_epochs"):
        trainer(
            tmp_path, CoupledMomentum(C=0.5, until_end=True), max_epochs=-1, max_time="00:00:00:05"
        ).fit(Regression(), data())


def test_gradient_accumulation(tmp_path):
    model = Regression()
    trainer(tmp_path, CoupledMomentum(C=0.5), accumulate_grad_batches=3).fit(model, data())
    assert len(model.used) == 4
    assert all(momentum == LAW(lr) for lr, momentum in model.used)


class Measured:
    """Stands for a calibration: what it was asked, and a prefactor that depends on the weights."""

    def __init__(self):
        self.asked = []

    def __call__(self, model, loader, lr):
        self.asked.append((model, len(list(loader)), lr))
        weight = float(model.net[0].weight.detach().abs().sum())
        return made_up_calibration(C=0.3 + 0.01 * weight, lr=lr)


def test_a_fit_begins_with_a_calibration(tmp_path):
    measured, model = Measured(), Regression()
    callback = CoupledMomentum(calibrate=measured)
    trainer(tmp_path, callback).fit(model, data())
    ((asked, batches, lr),) = measured.asked
    assert asked is model
    assert batches == 3
    assert lr == 0.2
    law = MomentumLaw(callback.state_dict()["C"])
    assert all(momentum == law(lr) for lr, momentum in model.used)


def test_a_resumed_fit_keeps_its_calibration(tmp_path):
    unbroken = Regression()
    trainer(tmp_path, CoupledMomentum(calibrate=Measured())).fit(unbroken, data())

    class Break(CoupledMomentum):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "broken.ckpt")
                trainer.should_stop = True

        @property
        def state_key(self):
            return "CoupledMomentum"

    trainer(tmp_path, Break(calibrate=Measured()), min_epochs=1).fit(Regression(), data())
    again, resumed = Measured(), Regression()
    fit = trainer(tmp_path, CoupledMomentum(calibrate=again))
    fit.fit(resumed, data(), ckpt_path=tmp_path / "broken.ckpt", weights_only=False)
    assert not again.asked
    assert 0 < len(resumed.used) < len(unbroken.used)
    assert resumed.used == unbroken.used[-len(resumed.used) :]


def test_a_fit_without_a_law_to_be_had_does_not_begin(tmp_path):
    def refused(model, loader, lr):
        return made_up_calibration(C=0.3, lr=lr, doubt="no lasting noise")

    with pytest.raises(CalibrationError, match="no lasting noise: as made up"):
        trainer(tmp_path, CoupledMomentum(calibrate=refused)).fit(Regression(), data())


def test_a_fit_whose_calibration_had_too_few_gradients_says_so(tmp_path):
    def short(model, loader, lr):
        return made_up_calibration(C=0.3, lr=lr, doubt="signal below its error")

    with pytest.raises(CalibrationError, match=r"^nothing is known yet, 120 gradient"):
        trainer(tmp_path, CoupledMomentum(calibrate=short)).fit(Regression(), data())


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


def test_one_callback_calibrates_each_of_two_fits(tmp_path):
    measured = Measured()
    callback = CoupledMomentum(calibrate=measured)
    for lr in (0.2, 0.05):
        model = Regression(lambda p, lr=lr: torch.optim.SGD(p, lr=lr))
        trainer(tmp_path, callback, max_epochs=1).fit(model, data())
        law = MomentumLaw(callback.state_dict()["C"])
        assert all(momentum == law(rate) for rate, momentum in model.used)
    assert [lr for _, _, lr in measured.asked] == [0.2, 0.05]


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
    assert all(momentum == LAW(lr) for lr, momentum in model.used)


class Two(LightningModule):
    """Two optimizers, both stepped by hand in every batch; keeps the steps said and made."""

    def __init__(self, by_couple=None):
        super().__init__()
        torch.manual_seed(0)
        self.automatic_optimization = False
        self.nets = nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 1)])
        self.total_steps, self.made, self.by_couple = set(), 0, by_couple

    def configure_optimizers(self):
        made = [torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.3) for net in self.nets]
        if self.by_couple:
            for optimizer in made:
                flatfast.torch.couple(optimizer, LAW, total_steps=self.by_couple)
        return made

    def training_step(self, batch):
        x, y = batch
        for net, optimizer in zip(self.nets, self.optimizers(), strict=True):
            optimizer.zero_grad()
            self.manual_backward((net(x) - y).square().mean())
            optimizer.step()
            self.total_steps.add(coupling_of(optimizer.optimizer).total_steps)
        self.made += 1


@pytest.mark.parametrize("limits", [{"max_epochs": 4}, {"max_epochs": 4, "max_steps": 24}], ids=str)
def test_epochs_tell_the_steps_of_each_optimizer(tmp_path, limits):
    model = Two()
    trainer(tmp_path, CoupledMomentum(C=0.5, until_end=True), **limits).fit(model, data())
    assert model.made == 12
    assert model.total_steps == {12}


@pytest.mark.parametrize(
    "limits",
    [
        {"max_epochs": -1, "max_steps": 20},
        {"max_epochs": 4, "max_steps": 20},
        {"max_epochs": 4, "max_steps": 8},
    ],
    ids=str,
)
def test_max_steps_does_not_tell_the_steps_of_each_optimizer(tmp_path, limits):
    """Lightning counts those of all: of 20, each of two that take turns makes ten."""
    model = Two()
    said = f"of 2 optimizers from max_steps = {limits['max_steps']}.*give the Trainer max_epochs"
    with pytest.raises(ValueError, match=said):
        trainer(tmp_path, CoupledMomentum(C=0.5, until_end=True), **limits).fit(model, data())
    assert not model.made


def test_what_is_advised_instead_of_max_steps_serves(tmp_path):
    limits = {"max_epochs": -1, "max_steps": 20}
    model = Two(by_couple=10)
    trainer(tmp_path, CoupledMomentum(), **limits).fit(model, data())
    assert (model.made, model.total_steps) == (10, {10})
    model = Two()
    trainer(tmp_path, CoupledMomentum(C=0.5), **limits).fit(model, data())
    assert (model.made, model.total_steps) == (10, {None})


def test_one_optimizer_by_hand_makes_the_steps_that_are_counted(tmp_path):
    class One(Two):
        def configure_optimizers(self):
            self.nets = self.nets[:1]
            return super().configure_optimizers()

        def optimizers(self):
            return [super().optimizers()]

    model = One()
    limits = {"max_epochs": -1, "max_steps": 8}
    trainer(tmp_path, CoupledMomentum(C=0.5, until_end=True), **limits).fit(model, data())
    assert (model.made, model.total_steps) == (8, {8})


def test_epochs_of_a_stream_have_no_end_to_be_kept_to(tmp_path):
    class Stream(IterableDataset):
        def __iter__(self):
            yield from data().dataset

    with pytest.raises(ValueError, match="max_epochs data of a known length"):
        trainer(tmp_path, CoupledMomentum(C=0.5, until_end=True)).fit(
            Regression(), DataLoader(Stream(), batch_size=4)
        )


def test_fabric_s_wrapper_is_coupled_through(tmp_path):
    fabric = Fabric(accelerator="cpu")
    net = nn.Linear(4, 1)
    net, optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), lr=0.2))
    flatfast.torch.couple(optimizer, LAW)
    fabric.backward(net(torch.ones(3, 4)).square().mean())
    optimizer.step()
    assert optimizer.param_groups[0]["momentum"] == LAW(0.2)
