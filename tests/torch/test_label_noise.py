"""Label noise: what it does to the gradient's covariance, and that it can be reproduced."""

import pickle
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

from flatfast.torch import LabelFlips, LabelNoise

EXAMPLES, CLASSES, DRAWS = 6, 3, 40_000


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# --- What it does to the gradient ----------------------------------------------------------------


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


# --- Labels of every kind ------------------------------------------------------------------------


@pytest.mark.parametrize("ignored", [-100, -1, 255, 3])
@pytest.mark.parametrize("shape", [(3000,), (30, 100), (3, 10, 100)])
def test_a_label_that_the_loss_ignores_stays_so(ignored, shape):
    labels = torch.arange(3000).reshape(shape) % 3
    labels[..., ::3] = ignored
    logits, classes = torch.zeros(shape[0], 4, *shape[1:]), 4 if ignored == 3 else 3
    flipped = LabelFlips(0.5, classes, ignore_index=ignored)(labels)
    assert torch.equal(flipped == ignored, labels == ignored)
    kept = labels != ignored
    assert (flipped != labels)[kept].double().mean().item() == pytest.approx(0.5, abs=0.05)
    assert set(flipped[kept].tolist()) == {0, 1, 2}
    losses = F.cross_entropy(logits, flipped, ignore_index=ignored, reduction="none")
    assert torch.equal(losses != 0, kept)


INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_flips_of_every_integer_type_are_those_of_the_longest(dtype):
    classes = 120  # so that label and shift together do not fit into eight bits
    labels = torch.arange(2400) % classes
    flipped = LabelFlips(0.5, classes)(labels.to(dtype))
    assert flipped.dtype == dtype
    assert torch.equal(flipped.long(), LabelFlips(0.5, classes)(labels))


def test_flips_of_yes_or_no():
    labels = torch.tensor([[True, False, True, False]] * 3000)
    flipped = LabelFlips(0.2, classes=2)(labels)
    assert flipped.dtype == torch.bool
    torch.testing.assert_close(
        (flipped ^ labels).double().mean(0), torch.full((4,), 0.2), atol=0.03, rtol=0
    )


def test_no_labels_at_all():
    assert LabelFlips(0.5, 3)(torch.zeros(0, dtype=torch.long)).shape == (0,)
    assert LabelNoise(0.5, classes=3)(torch.zeros(0, dtype=torch.long)).shape == (0, 3)


@pytest.mark.parametrize(
    ("make", "labels", "error", "message"),
    [
        (
            lambda: LabelFlips(0.1, 10),
            [3, 10],
            ValueError,
            r"or ignore_index = -100, got 10",
        ),
        (lambda: LabelFlips(0.1, 10), [3, -1], ValueError, "got -1"),
        (lambda: LabelFlips(0.1, 200), torch.zeros(3, dtype=torch.int8), TypeError, "hold 128 cla"),
        (lambda: LabelFlips(0.1, 3), torch.zeros(3, dtype=torch.bool), TypeError, "hold 2 classes"),
        (lambda: LabelFlips(0.1, 3), torch.eye(3), TypeError, "class probabilities or soft labels"),
        (lambda: LabelFlips(0.1, 3), torch.eye(3) * 1j, TypeError, "labels must be integers"),
        (lambda: LabelFlips(0.1, 3), {"y": 1}, TypeError, "targets must be a tensor, got dict"),
        (
            lambda: LabelNoise(0.1, 10),
            [3, -100],
            ValueError,
            r"be in \[0, 10\), got -100",
        ),
        (lambda: LabelNoise(0.1, 3), torch.eye(3), TypeError, "one-hot rows and class probabiliti"),
    ],
)
def test_labels_that_are_none_are_named(make, labels, error, message):
    noise = make()
    with pytest.raises(error, match=message):
        noise(torch.tensor(labels) if isinstance(labels, list) else labels)


# --- Draws ---------------------------------------------------------------------------------------

KINDS = {
    "Gaussian": (lambda seed: LabelNoise(0.5, seed=seed), torch.zeros(50)),
    "one-hot": (lambda seed: LabelNoise(0.5, classes=10, seed=seed), torch.arange(50) % 10),
    "flips": (lambda seed: LabelFlips(0.5, classes=10, seed=seed), torch.arange(50) % 10),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_a_seed_gives_the_same_draws_and_each_call_another(kind):
    make, targets = kind
    first, second = make(3), make(3)
    one, two = first(targets), first(targets)
    assert torch.equal(one, second(targets))
    assert not torch.equal(one, two)
    assert not torch.equal(one, make(4)(targets))


def test_torch_s_own_generator_is_left_alone(kind):
    make, targets = kind
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    make(0)(targets)
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_goes_on_with_the_next_draw(kind):
    make, targets = kind
    noise = make(3)
    for _ in range(5):
        noise(targets)
    resumed = make(0)
    resumed.load_state_dict(noise.state_dict())
    assert torch.equal(resumed(targets), noise(targets))


def test_it_is_off_in_eval(kind):
    make, targets = kind
    noise = make(0).eval()
    quiet = noise(targets)
    wanted = F.one_hot(targets, 10).double() if quiet.dim() == 2 else targets
    assert torch.equal(quiet, wanted)
    assert noise.count == 0


def test_ranks_draw_differently(kind, monkeypatch):
    make, targets = kind
    draws = []
    for rank in range(3):
        monkeypatch.setattr("flatfast.torch.target_noise.rank", lambda rank=rank: rank)
        draws.append(make(0)(targets))
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[1], draws[2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_targets_keep_their_type(dtype):
    assert LabelNoise(0.1)(torch.zeros(5, dtype=dtype)).dtype == dtype


def test_a_compiled_function_draws_anew():
    noise = LabelNoise(0.5)
    draw = torch.compile(lambda y: noise(y) * 2, backend="eager")
    targets = torch.zeros(4)
    expected = [LabelNoise(0.5)(targets) * 2]
    assert torch.equal(draw(targets), expected[0])
    assert not torch.equal(draw(targets), expected[0])


class Drawn(Dataset):
    """What noise draws for each of eight examples."""

    def __init__(self, noise):
        self.noise = noise

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.noise(torch.zeros(1)).item()


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_of_a_loader_draw_each_on_its_own_and_anew_in_every_epoch(persistent):
    def epochs(seed):
        generator = torch.Generator().manual_seed(seed)
        loader = DataLoader(
            Drawn(LabelNoise(1.0)),
            2,
            num_workers=2,
            generator=generator,
            persistent_workers=persistent,
        )
        return [number for _ in range(2) for batch in loader for number in batch.tolist()]

    seen = epochs(0)
    assert len(set(seen)) == 16
    assert epochs(0) == seen
    assert set(epochs(1)).isdisjoint(seen)


def test_workers_of_different_ranks_draw_differently(monkeypatch):
    """A worker that was spawned is told the rank with the data set; its loader's seed is common."""
    draws = []
    for rank in range(2):
        monkeypatch.setattr("flatfast.torch.target_noise.rank", lambda rank=rank: rank)
        sent = pickle.dumps(LabelNoise(1.0))
        monkeypatch.setattr("flatfast.torch.target_noise.rank", lambda: 0)
        monkeypatch.setattr(
            "flatfast.torch.target_noise.get_worker_info", lambda: SimpleNamespace(seed=7)
        )
        draws.append(pickle.loads(sent)(torch.zeros(4)))
    assert not torch.equal(*draws)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_forward_pass_that_is_made_again_is_refused(reentrant):
    noise, weights = LabelNoise(0.5), torch.ones(3, requires_grad=True)

    def part(w):
        return noise(w * w).exp().sum()

    loss = checkpoint(part, weights, use_reentrant=reentrant)
    with pytest.raises(RuntimeError, match="activation checkpointing"):
        loss.backward()
    noise(checkpoint(torch.square, weights, use_reentrant=reentrant)).exp().sum().backward()
    again = LabelNoise(0.5)
    again.count = 1
    assert torch.allclose(weights.grad, 2 * again(torch.ones(3)).exp())


def test_replicas_of_data_parallel_are_refused():
    replica = LabelNoise(0.5)._replicate_for_data_parallel()
    with pytest.raises(RuntimeError, match=r"within nn\.DataParallel"):
        replica(torch.zeros(3))


@pytest.mark.parametrize("make", [lambda: LabelFlips(0.5, 3), lambda: LabelNoise(0.5, 3)])
def test_under_vmap_every_entry_has_a_draw_of_its_own(make):
    labels = torch.ones(2, 400, dtype=torch.long)
    first, second = torch.func.vmap(make(), randomness="different")(labels)
    assert not torch.equal(first, second)
    one, two = torch.func.vmap(make(), randomness="same")(labels)
    assert torch.equal(one, two)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_it_draws_on_the_device_of_the_targets(kind):
    make, targets = kind
    assert make(0)(targets.cuda()).device.type == "cuda"


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelNoise(-0.1), r"std must be at least 0 and finite, got -0\.1"),
        (lambda: LabelNoise(float("nan")), "std must be at least 0 and finite, got nan"),
        (lambda: LabelNoise(0.1, classes=1), "classes must be at least 2, got 1"),
        (lambda: LabelNoise(0.1, seed=-1), "seed must be at least 0, got -1"),
        (lambda: LabelFlips(1.1, 10), r"probability must be in \[0, 1\], got 1\.1"),
        (lambda: LabelFlips(0.1, 1), "classes must be at least 2, got 1"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_integer_targets_need_classes():
    with pytest.raises(TypeError, match=r"labels need LabelNoise\(std, classes=...\)"):
        LabelNoise(0.1)(torch.arange(3))


def test_flips_need_integers():
    with pytest.raises(TypeError, match=r"labels must be integers, got torch\.float64"):
        LabelFlips(0.1, 3)(torch.zeros(3))


def test_labels_that_cannot_be_looked_at_show_in_the_loss(monkeypatch):
    """As on an accelerator, where a look would make the host wait."""
    monkeypatch.setattr("flatfast.torch.label_noise.check_labels", lambda *_: None)
    labels = torch.tensor([0, 1, 2, 7, -1])
    assert LabelFlips(1.0, 3)(labels)[3:].tolist() == [7, -1]
    rows = LabelNoise(0.1, classes=3)(labels)
    assert rows.isnan().all(1).tolist() == [False, False, False, True, True]
