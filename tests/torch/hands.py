"""Hands that write the momentum of an optimizer, after the ways of three projects."""

import torch

from tests.torch.bowl import LAW, own, train, weight

LR = 0.1
BETAS = [torch.optim.Adam, torch.optim.AdamW]


def momentum_in(group):
    return group["momentum"] if "momentum" in group else float(group["betas"][0])


def write(group, momentum):
    if "momentum" in group:
        group["momentum"] = momentum
    else:
        group["betas"] = (momentum, *group["betas"][1:])


# --- Three projects' ways, each a function of optimizer and step that is called before the step ---


def ramp(optimizer, step, length=8):
    """Detectors: momentum is interpolated over the first iterations, and then let alone."""
    if step <= length:
        for group in optimizer.param_groups:
            write(group, 0.8 + (0.937 - 0.8) * step / length)


def at_every_step(optimizer, step, warm_up=6, steps=400, cool_down=6):
    """Language models: a warm-up, then the same number again and again, and a cool-down."""
    up, down = min(step / warm_up, 1), min((steps - step) / cool_down, 1)
    for group in optimizer.param_groups:
        write(group, (0.85 + 0.1 * up) * down + 0.85 * (1 - down))


def factor_of_itself(optimizer, step, begin=2, end=8, first=0.5):
    """Schedulers of momentum: a factor of what is in the group, and after its end what is there."""
    grown = (1 - first) / (end - begin)
    for group in optimizer.param_groups:
        momentum = momentum_in(group)
        if step == begin:
            momentum *= first
        elif begin < step <= end:
            before = first + grown * (step - begin - 1)
            momentum *= (before + grown) / before
        write(group, momentum)


HANDS = {"ramp": ramp, "every step": at_every_step, "factor": factor_of_itself}


def made(kind, w):
    return kind([w], lr=LR) if kind in BETAS else kind([w], lr=LR, momentum=0.9)


def law_for(kind):
    """As a function of one's own for Adam, of which there is no law."""
    return own(LAW) if kind in BETAS else LAW


def trained(hand, optimizer, w, steps, first=0):
    """The momentum of every step."""
    used = []
    for step in range(first, first + steps):
        hand(optimizer, step)
        train(w, optimizer, 1)
        used.append(momentum_in(optimizer.param_groups[0]))
    return used


def alone(hand, kind, steps):
    """What the hand writes where there is no coupling."""
    w = weight()
    return trained(hand, made(kind, w), w, steps)
