"""A plain PyTorch loop: label noise, a cosine schedule, and momentum that follows it.

pip install ".[torch]" scikit-learn
python examples/pytorch_digits.py
python examples/pytorch_digits.py --lr 0.08 --like 0.02:0.9     # 0.9 served at 0.02
python examples/pytorch_digits.py --momentum 0.9                # what it was without flatfast
"""

import argparse

import torch
from digits import digits
from torch import nn
from torch.nn import functional as F

from flatfast import MomentumLaw
from flatfast.torch import LabelNoise, couple


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.04)
    parser.add_argument("--like", default="0.02:0.9", help="a tuned pair, lr:momentum")
    parser.add_argument("--momentum", type=float, help="a constant momentum instead")
    parser.add_argument("--noise", type=float, default=0.5, help="std on one-hot targets")
    parser.add_argument("--steps", type=int, default=4000)
    options = parser.parse_args()

    torch.manual_seed(0)
    data = digits()
    x, classes = torch.tensor(data.train), torch.tensor(data.train_classes)
    test, test_classes = torch.tensor(data.test), torch.tensor(data.test_classes)
    layers = [layer for _ in range(4) for layer in (nn.Linear(64, 64), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))

    momentum = 0.9 if options.momentum is None else options.momentum
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=momentum)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps)
    noise = LabelNoise(options.noise, classes=10)
    if options.momentum is None:
        tuned_lr, tuned_momentum = map(float, options.like.split(":"))
        law = MomentumLaw.from_reference(tuned_lr, tuned_momentum)
        couple(optimizer, law, total_steps=options.steps)  # <- the one line

    print(f"{'step':>6} {'lr':>9} {'momentum':>9} {'loss':>9} {'test accuracy':>14}")
    for step in range(1, options.steps + 1):
        loss = F.mse_loss(model(x), noise(classes))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(options.steps // 10, 1) == 0:
            group = optimizer.param_groups[0]
            with torch.no_grad():
                accuracy = (model(test).argmax(1) == test_classes).float().mean().item()
            print(
                f"{step:6} {group['lr']:9.4f} {group['momentum']:9.4f} {loss.item():9.4f} "
                f"{accuracy:14.1%}"
            )
        scheduler.step()


if __name__ == "__main__":
    main()
