"""What tests of the coupling assert, with messages that say where it failed."""

import copy
import warnings

import pytest
import torch

from flatfast.torch.groups import LEAST
from tests.torch.bowl import LAW, by_hand


def assert_used(optimizer, law=LAW):
    """After a step: each group holds what the law says at the learning rate of that step.

    Args:
        optimizer: The optimizer that made it, the innermost where it is wrapped.
        law: From learning rate to momentum, or a list of one for each group.
    """
    groups = optimizer.param_groups
    laws = law if isinstance(law, list) else [law] * len(groups)
    assert len(laws) == len(groups)
    for index, (group, own) in enumerate(zip(groups, laws, strict=True)):
        lr = float(group["lr"])
        dampened = group.get("dampening", 0) != 0
        own = own.in_convention("normalized") if dampened else own
        expected = own(lr)
        written = max(expected, LEAST)  # the number that optimizers do not take for "none"
        found = group["momentum"] if "momentum" in group else group["betas"][0]
        assert not dampened or group["dampening"] == found
        if isinstance(found, torch.Tensor):
            written = torch.tensor(written, dtype=found.dtype).item()
        assert float(found) == written, (
            f"{type(optimizer).__name__}, group {index}: at learning rate {lr:g} momentum is "
            f"{float(found):.17g}, and the law says {expected:.17g}"
        )


def assert_follows(optimizer, law=LAW):
    """Whatever the learning rates are now, the step to come uses what the law says there.

    The step is made by a copy, which is coupled as the optimizer is; this one stays as it was.
    """
    twin = copy.deepcopy(optimizer)
    for group in twin.param_groups:
        for p in group["params"]:
            p.grad = torch.ones_like(p)
    with warnings.catch_warnings():  # what a copy has to say, its original has said or will say
        warnings.simplefilter("ignore")
        twin.step()
    assert_used(twin, law)


def assert_pairs_follow(pairs, law=LAW):
    """Of each step the learning rate and the momentum that a loop has kept."""
    assert pairs
    for step, (lr, momentum) in enumerate(pairs):
        assert momentum == law(lr), (
            f"step {step}: at learning rate {lr:g} momentum was {momentum:.17g}, and the law says "
            f"{law(lr):.17g}"
        )


def assert_path(path, rates, momenta=LAW):
    """The bowl's weight went as by hand at these learning rates and momenta, or this law."""
    if callable(momenta):
        momenta = [momenta(lr) for lr in rates]
    assert path == pytest.approx(by_hand(rates, momenta), rel=1e-9)


def assert_same_weights(ours, theirs, rtol=0.0, atol=0.0):
    """Bit for bit, if no tolerance is given; of models or of lists of tensors."""
    ours, theirs = (
        [p.detach() for p in (each.parameters() if hasattr(each, "parameters") else each)]
        for each in (ours, theirs)
    )
    if all(map(torch.equal, ours, theirs)) and len(ours) == len(theirs):
        return  # several times faster than what follows, which says where they differ
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol)
