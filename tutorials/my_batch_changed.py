# %% [markdown]
# # My batch changed
#
# A script was tuned with batches of 16; now there are four devices, and a step sees 64 examples.
# `rescale` carries the tuned setting over. Here is what that does to a small network, beside
# changing nothing.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import mse_loss

from flatfast.torch import rescale

EXAMPLES = 16_384  # that every training sees, once each
test = torch.randn(512, 8, generator=torch.Generator().manual_seed(1))


def answer(x):
    return torch.sin(x[:, :1] + x[:, 1:2])


def train(batch, change=None, seed=0):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)  # tuned at 16
    if change:
        rescale(optimizer, batch=change)
    losses = []
    for step in range(EXAMPLES // batch):
        x = torch.randn(batch, 8)
        optimizer.zero_grad()
        mse_loss(model(x), answer(x) + 0.1 * torch.randn(batch, 1)).backward()
        optimizer.step()
        if step % (EXAMPLES // batch // 32) == 0:
            with torch.no_grad():
                losses.append((step * batch, mse_loss(model(test), answer(test)).item()))
    return losses


SEEDS = range(3)
ways = {"batch 16, as tuned": (16, None), "batch 64, nothing changed": (64, None)}
ways["batch 64, rescaled"] = (64, (16, 64))
runs = {name: np.mean([train(*way, seed) for seed in SEEDS], axis=0) for name, way in ways.items()}
for name, losses in runs.items():
    print(f"{name}: test loss {losses[-1, 1]:.4f}, mean of {len(SEEDS)} seeds")

# %% [markdown]
# The doubt that `rescale` warns of is real: had the learning rate been near its limit of stability,
# four times as much would have been too much ([which rule
# transfers](../docs/rescale.md#which-rule-transfers)).

# %%
figure, axis = plt.subplots()
for name, losses in runs.items():
    axis.semilogy(*losses.T, label=name)
axis.set(xlabel="examples seen", ylabel="test loss")
axis.legend()
