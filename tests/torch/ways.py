"""A tiny model in training, and ways of making its steps."""

import math

import torch
from torch import nn

from flatfast.torch import couple
from flatfast.torch.coupling import coupling_of
from tests.torch.wrapping import Around

LR = 0.1
INPUTS = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(4, 2)


class Model(nn.Module):
    """Two matrices, so that every optimizer takes it."""

    def __init__(self):
        super().__init__()
        numbers = torch.linspace(-0.5, 0.6, 6, dtype=torch.float64)
        self.first = nn.Parameter(numbers.reshape(2, 3))
        self.second = nn.Parameter(numbers.reshape(3, 2).flip(1))


class Training:
    """A model in training.

    Attributes:
        model: The model.
        optimizer: Its optimizer, coupled or alone.
        schedule: Its schedule.
    """

    def __init__(self, way, make, schedule):
        self.model = Model()
        self.make, self.its_schedule = make, schedule
        self.optimizer = make(way.parameters(self.model))
        self.schedule = schedule(self.optimizer)
        way.begin(self)

    def loss(self, step):
        """No gradient is that of the step before."""
        outputs = INPUTS @ self.model.first @ self.model.second
        return (outputs - INPUTS - 0.3 * step).square().sum() / 8


class Way:
    """The plain loop: ``backward``, and then ``step``."""

    tolerance = 0.0

    def by_hand(self):
        """The plain loop with which it is to agree."""
        return Way()

    def parameters(self, model):
        return model.parameters()

    def begin(self, training):
        """Prepare what the steps of a training need."""

    def trains(self, step):
        """Whether this step moves anything."""
        return True

    def step(self, training, step):
        """One step; the gradients are None before it."""
        training.loss(step).backward()
        training.optimizer.step()


class Groups(Way):
    """Each matrix has a group, and a learning rate of its own."""

    def by_hand(self):
        return self

    def parameters(self, model):
        first, second = model.parameters()
        return [{"params": [first], "lr": LR}, {"params": [second], "lr": 0.3 * LR}]


class CoupledLast(Way):
    """When the schedule is there already."""

    def begin(self, training):
        coupling = coupling_of(training.optimizer)
        law = coupling.law(0)
        coupling.remove()
        couple(training.optimizer, law)


class Closure(Way):
    """The loss is evaluated anew within the step, which gives it back."""

    def step(self, training, step):
        def closure():
            training.optimizer.zero_grad()
            losses.append(training.loss(step))
            losses[-1].backward()
            return losses[-1]

        losses = []
        assert training.optimizer.step(closure) is losses[0]
        assert len(losses) == 1


class Accumulated(Way):
    """Of two halves of the gradient."""

    def step(self, training, step):
        for _ in range(2):
            (training.loss(step) / 2).backward()
        training.optimizer.step()


class Scaled(Way):
    """Under a ``GradScaler``, whose factors are powers of two, with infinities in one step."""

    def begin(self, training):
        training.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def trains(self, step):
        return step != 2

    def step(self, training, step):
        loss = training.loss(step) * (1 if self.trains(step) else math.inf)
        training.scaler.scale(loss).backward()
        training.scaler.step(training.optimizer)
        training.scaler.update()


class Resumed(Way):
    """Every step is made by a new optimizer, from the last one's checkpoint."""

    def step(self, training, step):
        parts = "model", "optimizer", "schedule"
        saved = [getattr(training, part).state_dict() for part in parts]
        again = Training(self, training.make, training.its_schedule)
        for part, state in zip(parts, saved, strict=True):
            getattr(again, part).load_state_dict(state)
            setattr(training, part, getattr(again, part))
        super().step(training, step)


class Wrapped(Way):
    """Inside another optimizer, whose method is called."""

    def begin(self, training):
        training.outer = Around(training.optimizer)

    def step(self, training, step):
        training.loss(step).backward()
        training.outer.second_step()


class Compiled(Way):
    """Up to rounding, as learning rate and momentum are tensors there."""

    tolerance = 1e-12

    def begin(self, training):
        torch._dynamo.reset()
        training.step = torch.compile(training.optimizer.step, backend="eager")

    def step(self, training, step):
        training.loss(step).backward()
        training.step()
