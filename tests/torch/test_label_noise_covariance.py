"""What label noise does to the gradient's covariance."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F

from flatfast.torch import LabelFlips, LabelNoise

pytestmark = pytest.mark.usefixtures("double")

EXAMPLES, CLASSES, DRAWS = 6, 3, 40_000


def model_and_inputs():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, CLASSES))
    return model, torch.randn(EXAMPLES, 2)


def jacobian(model, inputs):
    """(examples, classes, weights): of the outputs by the weights."""
    weights = {name: p.detach() for name, p in model.named_parameters()}
    parts = jacrev(lambda w: functional_call(model, w, (inputs,)))(weights)
    return torch.cat([part.flatten(2) for part in parts.values()], dim=2)


def measured(model, inputs, gradients_of):
    """Covariance of the gradient by the weights over many draws.

    ``gradients_of`` gives the gradients of the loss by the outputs, (draws, examples, classes).
    """
    J = jacobian(model, inputs)
    gradients = torch.einsum("dbk,bkw->dw", gradients_of(model(inputs).detach()), J)
    return torch.cov(gradients.T)


def assert_same(covariance, wanted):
    """So many draws leave an error of about 1 to 2% of the norm; 4% is asserted."""
    assert (covariance - wanted).norm() < 0.04 * wanted.norm()


def by_outputs(loss, outputs, targets):
    """Gradients of the losses (draws,) by their own outputs (draws, examples, classes)."""
    leaf = outputs.clone().requires_grad_()
    return torch.autograd.grad(loss(leaf, targets).sum(), leaf)[0]


def half_mse(outputs, targets):
    return ((outputs - targets) ** 2).sum((1, 2)) / (2 * EXAMPLES)


def torch_mse(outputs, targets):
    return F.mse_loss(outputs, targets, reduction="none").mean((1, 2))


def cross_entropy(outputs, labels):
    losses = F.cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.unflatten(0, labels.shape).mean(1)


def repeated(tensor):
    return tensor.expand(DRAWS, *tensor.shape)


def test_gaussian_noise_on_targets_is_in_proportion_to_the_hessian():
    model, inputs = model_and_inputs()
    targets = model(inputs).detach()  # the labels are met: a point on the zero-loss manifold
    noise, std = LabelNoise(0.3), 0.3

    def gradients(outputs):
        return by_outputs(half_mse, repeated(outputs), noise(repeated(targets)))

    J = jacobian(model, inputs)
    hessian = torch.einsum("bkw,bkv->wv", J, J) / EXAMPLES
    assert_same(measured(model, inputs, gradients), std**2 / EXAMPLES * hessian)


def test_gaussian_noise_with_torch_mse():
    model, inputs = model_and_inputs()
    targets = model(inputs).detach()
    noise, std = LabelNoise(0.3), 0.3

    def gradients(outputs):
        return by_outputs(torch_mse, repeated(outputs), noise(repeated(targets)))

    J = jacobian(model, inputs)
    hessian = 2 * torch.einsum("bkw,bkv->wv", J, J) / (EXAMPLES * CLASSES)
    wanted = 2 * std**2 / (EXAMPLES * CLASSES) * hessian
    assert_same(measured(model, inputs, gradients), wanted)


def test_gaussian_noise_on_logits():
    """To first order in std: S_b twice, where the Hessian has it once."""
    model, inputs = model_and_inputs()
    labels = torch.arange(EXAMPLES) % CLASSES
    noise, std = LabelNoise(0.05), 0.05

    def gradients(outputs):
        return by_outputs(cross_entropy, noise(repeated(outputs)), repeated(labels))

    J = jacobian(model, inputs)
    p = model(inputs).detach().softmax(1)
    S = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    wanted = std**2 / EXAMPLES**2 * torch.einsum("bkw,bkj,bjl,blv->wv", J, S, S, J)
    assert_same(measured(model, inputs, gradients), wanted)


def q_of(labels, probability):
    q = torch.full((EXAMPLES, CLASSES), probability / (CLASSES - 1))
    q[torch.arange(EXAMPLES), labels] = 1 - probability
    return q


@pytest.mark.parametrize("probability", [0.05, 0.3])
def test_flips_with_cross_entropy_give_the_hessian_itself(probability):
    model, inputs = model_and_inputs()
    labels = torch.arange(EXAMPLES) % CLASSES
    noise = LabelFlips(probability, CLASSES)
    q = q_of(labels, probability)

    def gradients(outputs):
        # Outputs at which the mean loss is least: the predicted probabilities are q.
        return by_outputs(cross_entropy, repeated(q.log()), noise(repeated(labels)))

    J = jacobian(model, inputs)
    S = torch.diag_embed(q) - q[:, :, None] * q[:, None, :]
    hessian = torch.einsum("bkw,bkj,bjv->wv", J, S, J) / EXAMPLES
    assert_same(measured(model, inputs, gradients), hessian / EXAMPLES)


def test_flips_with_half_mse_on_one_hot_targets():
    model, inputs = model_and_inputs()
    labels = torch.arange(EXAMPLES) % CLASSES
    probability = 0.3
    noise, q = LabelFlips(probability, CLASSES), q_of(labels, probability)

    def gradients(outputs):
        flipped = F.one_hot(noise(repeated(labels)), CLASSES).double()
        return by_outputs(half_mse, repeated(q), flipped)

    J = jacobian(model, inputs)
    S = torch.diag_embed(q) - q[:, :, None] * q[:, None, :]
    wanted = torch.einsum("bkw,bkj,bjv->wv", J, S, J) / EXAMPLES**2
    assert_same(measured(model, inputs, gradients), wanted)


def test_one_hot_targets_with_noise():
    targets = LabelNoise(0.2, classes=CLASSES)(torch.arange(CLASSES).repeat(20_000))
    means = targets.unflatten(0, (20_000, CLASSES)).mean(0)
    torch.testing.assert_close(means, torch.eye(CLASSES), atol=0.01, rtol=0)
    assert (targets - torch.eye(CLASSES).repeat(20_000, 1)).std().item() == pytest.approx(0.2, 0.01)


def test_flips_go_everywhere_but_to_the_truth():
    labels = torch.full((60_000,), 2)
    flipped = LabelFlips(0.3, classes=4)(labels)
    shares = torch.bincount(flipped, minlength=4) / len(labels)
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.1, 0.7, 0.1]), atol=0.01, rtol=0)
