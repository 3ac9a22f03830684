# %% [markdown]
# # The law in your loop
#
# One line after the optimizer is made, and momentum follows the learning rate at every step:
# whichever schedule sets the one, the law `1 - momentum = C * lr^(2/3)` sets the other. Loop,
# scheduler and checkpoint stay as they are.

# %%
import matplotlib.pyplot as plt
import torch

from flatfast import MomentumLaw
from flatfast.torch import Gauge, couple

torch.manual_seed(0)
inputs = torch.randn(64, 4)
targets = inputs[:, :1].sin()
model = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))

# %% [markdown]
# Somebody has found that momentum 0.9 serves at learning rate 0.1. The law goes through that pair,
# and gives the momentum of every other learning rate. `total_steps` keeps the memory of momentum
# shorter than the training that is left.

# %%
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=0.2, total_steps=300, cycle_momentum=False
)
couple(optimizer, MomentumLaw.from_reference(lr=0.1, momentum=0.9), total_steps=300)
gauge = Gauge(optimizer)  # reads what the last step used

history = []
for _ in range(300):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(inputs), targets)
    loss.backward()
    optimizer.step()
    scheduler.step()
    reading = gauge.readings()
    history.append((reading["lr"], reading["momentum"], reading["effective_step"]))
print(f"loss {loss.item():.4f}; last step: {gauge}")

# %% [markdown]
# Where the learning rate is high, momentum is low, and back. The effective step `lr / (1 -
# momentum)` is the speed of everything slow: under the law it grows with the cube root of the
# learning rate only.

# %%
figure, axes = plt.subplots(3, 1, sharex=True)
names = ("learning rate", "momentum", "effective step")
for axis, name, values in zip(axes, names, zip(*history, strict=True), strict=True):
    axis.plot(values)
    axis.set_ylabel(name)
axes[-1].set_xlabel("step")
