"""The Hessian of a loss in the outputs, and its root."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from flatfast.calibration import Verdict
from flatfast.torch import LabelFlips, calibrate
from flatfast.torch.output_hessian import OutputHessian

WORDS = torch.arange(18).remainder(7).view(2, 9)
WORDS[0, :4] = -100  # to be ignored


@pytest.mark.parametrize(
    ("shape", "loss"),
    [
        ((5,), lambda o: o.square().sum() / 10),
        ((5, 3), lambda o: F.mse_loss(o, torch.ones(5, 3))),
        ((5, 3), lambda o: F.cross_entropy(o, torch.tensor([0, 1, 2, 1, 0]))),
        ((5, 40), lambda o: F.cross_entropy(o, torch.arange(5), label_smoothing=0.1)),
        ((5, 40), lambda o: F.mse_loss(o, torch.zeros(5, 40))),
        ((2, 40, 3), lambda o: F.cross_entropy(o, torch.ones(2, 3, dtype=torch.long))),
        ((5, 2), lambda o: F.binary_cross_entropy_with_logits(o, torch.ones(5, 2))),
        ((5, 2), lambda o: torch.cosh(o).mean()),
        ((5, 40), lambda o: torch.cosh(o).mean()),
        ((5, 40), lambda o: F.binary_cross_entropy_with_logits(o, torch.ones(5, 40))),
        ((5, 40), lambda o: F.smooth_l1_loss(o, torch.zeros(5, 40))),
        ((2, 9, 7), lambda o: F.cross_entropy(o.view(-1, 7), WORDS.view(-1), ignore_index=-100)),
        ((2, 9, 7), lambda o: F.cross_entropy(o[:, :-1].reshape(-1, 7), WORDS[:, 1:].reshape(-1))),
        ((5, 40), lambda o: F.cross_entropy(o, torch.arange(5), weight=torch.arange(1.0, 41))),
    ],
)
def test_the_hessian_in_the_outputs_and_its_root(shape, loss):
    torch.manual_seed(0)
    outputs = torch.randn(shape)
    size = outputs.numel()
    hessian = OutputHessian(outputs, loss)
    S = torch.func.hessian(loss)(outputs).reshape(size, size)
    v = torch.randn(shape)
    assert torch.allclose(hessian.times(v).reshape(-1), S @ v.reshape(-1), atol=1e-6)
    unit = torch.eye(size).reshape(size, *shape)
    root = torch.stack([hessian._root(column).reshape(-1) for column in unit], dim=1)
    assert torch.allclose(root @ root.T, S, atol=1e-6)


def test_a_hessian_that_cannot_be_had():
    with pytest.raises(ValueError, match="40 outputs of an example is neither"):
        OutputHessian(torch.randn(5, 40), lambda o: o.norm(dim=1).mean())
    with pytest.raises(ValueError, match="couples the outputs of different ones"):
        OutputHessian(torch.randn(5, 3), lambda o: F.cross_entropy(o @ o.T, torch.arange(5)))


def test_a_saturated_softmax_has_no_curvature():
    torch.manual_seed(0)
    labels, flips = torch.arange(12) % 10, LabelFlips(0.1, classes=10)
    model = nn.Linear(12, 10, bias=False)
    with torch.no_grad():
        model.weight.copy_(0.3 * torch.randn(10, 12) + 60.0 * F.one_hot(labels, 10).T)
    loss = lambda f, y: F.cross_entropy(f, flips(y))  # noqa: E731
    found = calibrate(model, loss, (torch.eye(12), labels), 0.01)
    assert [doubt.verdict for doubt in found.doubts] == [Verdict.NO_CURVATURE]
    for spread in (12.0, 14.0, 20.0):
        for classes in (10, 40):
            logits = 0.3 * torch.randn(5, classes) + spread * F.one_hot(torch.arange(5), classes)
            for reduction in ("mean", "sum"):
                OutputHessian(
                    logits, lambda o, r=reduction: F.cross_entropy(o, torch.arange(5), reduction=r)
                )
