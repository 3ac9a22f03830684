"""How many steps a fit is to make, as far as Lightning tells, for momentum until the end."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

pytest.importorskip("lightning", reason="needs the lightning extra")

from lightning.pytorch import LightningModule

import flatfast.torch
from flatfast.torch.coupling import coupling_of
from flatfast.torch.lightning import CoupledMomentum
from tests.torch.bowl import LAW
from tests.torch.lightning_fit import Regression, data, trainer

pytestmark = pytest.mark.usefixtures("quiet_lightning")


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


def test_until_end_needs_an_end(tmp_path):
    with pytest.raises(ValueError, match="until_end needs a Trainer with max_steps or max_epochs"):
        trainer(
            tmp_path, CoupledMomentum(C=0.5, until_end=True), max_epochs=-1, max_time="00:00:00:05"
        ).fit(Regression(), data())
