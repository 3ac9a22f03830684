"""Transformers: one callback, on a Trainer with any model.

pip install ".[transformers]" scikit-learn
python examples/transformers_digits.py
"""

import argparse

import numpy as np
import torch
from digits import digits
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import EvalPrediction, Trainer, TrainingArguments

from flatfast.torch import LabelFlips
from flatfast.torch.transformers import CoupledMomentum


class Classifier(nn.Module):
    """A perceptron in the form that ``Trainer`` asks for: loss and logits."""

    def __init__(self, flips: float) -> None:
        """Layers and label noise."""
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
        )
        self.noise = LabelFlips(flips, classes=10)  # off in evaluation

    def forward(self, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss on the labels, noisy in training, and logits."""
        logits = self.network(pixels)
        return {"loss": F.cross_entropy(logits, self.noise(labels)), "logits": logits}


def accuracy(predicted: EvalPrediction) -> dict[str, float]:
    """Share of right answers."""
    right = np.argmax(np.asarray(predicted.predictions), axis=1) == predicted.label_ids
    return {"accuracy": float(np.mean(right))}


def main() -> None:
    """Train and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--C", type=float, default=0.7)
    parser.add_argument("--flips", type=float, default=0.1, help="probability of a wrong label")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", default="runs/transformers_digits")
    options = parser.parse_args()

    torch.manual_seed(0)
    data = digits(examples=1000)
    train, test = (
        [
            {"pixels": torch.tensor(x), "labels": int(y)}
            for x, y in zip(images, classes, strict=True)
        ]
        for images, classes in (
            (data.train, data.train_classes),
            (data.test, data.test_classes),
        )
    )
    trainer = Trainer(
        Classifier(options.flips),
        TrainingArguments(
            output_dir=options.out,
            num_train_epochs=options.epochs,
            per_device_train_batch_size=50,
            per_device_eval_batch_size=1000,
            optim="sgd",
            learning_rate=options.lr,
            lr_scheduler_type="cosine",
            warmup_steps=20,
            logging_steps=50,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
        ),
        train_dataset=train,
        eval_dataset=test,
        compute_metrics=accuracy,
        callbacks=[CoupledMomentum(C=options.C, until_end=True)],  # <- the one line
    )
    trainer.train()
    print(f"test accuracy {trainer.evaluate()['eval_accuracy']:.1%}")


if __name__ == "__main__":
    main()
