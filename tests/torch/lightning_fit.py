"""A tiny model in Lightning, and a Trainer for it."""

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


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
