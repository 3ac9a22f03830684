# %% [markdown]
# # Calibrate: C without tuning
#
# Near zero loss, with noise that is drawn afresh at every step, the law's C can be measured where
# the weights are, for the cost of some sixty gradients. Nothing is trained by it and nothing is
# changed.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import mse_loss

from flatfast.torch import LabelNoise, calibrate

torch.manual_seed(0)
inputs = torch.randn(24, 4)
targets = inputs[:, :1].sin()
model = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))
noise = LabelNoise(0.1)  # on the targets, anew at every step


def loss(outputs, targets):
    return mse_loss(outputs, noise(targets))


# %% [markdown]
# Too early the answer is no: from fresh weights there is no valley of minima to drift along yet.

# %%
print(calibrate(model, loss, (inputs, targets), lr=0.1))

# %% [markdown]
# Train until the loss is near zero, then ask again.

# %%
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for _ in range(1500):
    optimizer.zero_grad()
    mse_loss(model(inputs), targets).backward()
    optimizer.step()
found = calibrate(model, loss, (inputs, targets), lr=0.1, budget=200)
print(found)

# %% [markdown]
# The answer is a law: one number, C, gives momentum at every learning rate. The band is C's
# interval.

# %%
lrs = np.geomspace(0.003, 0.3)
low, high = found.interval
figure, axis = plt.subplots()
axis.fill_between(lrs, low * lrs ** (2 / 3), high * lrs ** (2 / 3), alpha=0.3)
axis.loglog(lrs, found.C.value * lrs ** (2 / 3), label="measured law")
axis.axhline(0.1, linestyle="--", color="C1", label="momentum 0.9")
axis.set(xlabel="learning rate", ylabel="1 - momentum")
axis.legend()
