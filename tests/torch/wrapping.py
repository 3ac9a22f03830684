"""Optimizers around optimizers, as other packages write them."""

import torch


class Around(torch.optim.Optimizer):
    """Has its base's groups; the base is stepped by a method of another name."""

    def __init__(self, base):
        super().__init__(base.param_groups, dict(base.defaults))
        self.base = base
        self.param_groups = base.param_groups

    def second_step(self):
        self.base.step()

    def step(self, closure=None):
        self.second_step()

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.base.param_groups = self.param_groups


class Apart(Around):
    """Has groups of its own, which are not the base's."""

    def __init__(self, base):
        torch.optim.Optimizer.__init__(self, base.param_groups[0]["params"], {"lr": 7.0})
        self.base = base


class Lookahead(torch.optim.Optimizer):
    """No call of the constructor above, so no hooks; goes back halfway at every other step."""

    def __init__(self, base):
        self.optimizer, self.calls = base, 0
        self.slow = [p.detach().clone() for g in base.param_groups for p in g["params"]]

    @property
    def param_groups(self):
        return self.optimizer.param_groups

    def step(self, closure=None):
        self.optimizer.step()


class Plain:
    """No optimizer at all by its class."""

    def __init__(self, base):
        self.inner_optim = base
        self.param_groups = base.param_groups

    def step(self):
        self.inner_optim.step()


class Passing(Plain):
    """Looked at, it is what it wraps."""

    def __init__(self, base):
        self._optimizer = base

    def __getattr__(self, name):
        return getattr(self._optimizer, name)

    def step(self):
        self._optimizer.step()


WRAPPERS = [Around, Apart, Lookahead, Plain, Passing, lambda base: Plain(Around(base))]
