"""Lightning: one callback.

pip install ".[lightning]" scikit-learn tensorboard
python examples/lightning_digits.py
tensorboard --logdir runs/lightning_digits
"""

import argparse

import torch
from digits import digits
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from flatfast.torch import LabelFlips
from flatfast.torch.lightning import CoupledMomentum


class Classifier(LightningModule):
    """A perceptron that is trained on labels of which some are flipped."""

    def __init__(self, lr: float, flips: float, epochs: int) -> None:
        """Kept as hyperparameters."""
        super().__init__()
        self.save_hyperparameters()
        self.network = nn.Sequential(
            nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
        )
        self.noise = LabelFlips(flips, classes=10)  # in the checkpoint, and off in validation

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The loss on noisy labels."""
        images, classes = batch
        return F.cross_entropy(self.network(images), self.noise(classes))

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Log the accuracy."""
        images, classes = batch
        accuracy = (self.network(images).argmax(1) == classes).float().mean()
        self.log("accuracy", accuracy, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Plain SGD and a cosine: the callback does the rest."""
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=0.9)
        epochs = self.hparams["epochs"]
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)]


def main() -> None:
    """Fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--C", type=float, default=0.7)
    parser.add_argument("--flips", type=float, default=0.1, help="probability of a wrong label")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", default="runs/lightning_digits")
    options = parser.parse_args()

    torch.manual_seed(0)
    data = digits(examples=1000)
    train = TensorDataset(torch.tensor(data.train), torch.tensor(data.train_classes))
    test = TensorDataset(torch.tensor(data.test), torch.tensor(data.test_classes))
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=options.epochs,
        callbacks=[CoupledMomentum(C=options.C, until_end=True)],  # <- the one line
        logger=TensorBoardLogger(options.out, name=""),
        log_every_n_steps=5,
    )
    trainer.fit(
        Classifier(options.lr, options.flips, options.epochs),
        DataLoader(train, batch_size=50, shuffle=True),
        DataLoader(test, batch_size=len(test)),
    )
    used = {name: float(trainer.callback_metrics[name]) for name in ("momentum", "accuracy")}
    print(f"last momentum {used['momentum']:.4f}, test accuracy {used['accuracy']:.1%}")


if __name__ == "__main__":
    main()
