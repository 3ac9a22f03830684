"""Calibration of models, losses and parameters of many kinds: as the plain form, or refused."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from flatfast.calibration import Verdict
from flatfast.torch import LabelFlips, LabelNoise, calibrate
from flatfast.torch.output_hessian import OutputHessian

torch.manual_seed(0)
X = torch.randn(30, 5)
Y = torch.sin(X[:, :1])
LABELS = torch.arange(30) % 3
FOUND = ("sharpness", "noise", "slope", "along", "share_low", "C")


def network(outputs=1):
    torch.manual_seed(0)
    layers = nn.Linear(5, 12), nn.Tanh(), nn.Dropout(0.3), nn.Linear(12, outputs)
    return nn.Sequential(*layers)


def measured(model, loss=F.mse_loss, data=(X, Y), forward=None):
    noise = LabelNoise(0.3)
    noisy = lambda f, y: loss(f, noise(y))  # noqa: E731
    torch.manual_seed(0)  # for dropout
    found = calibrate(model, noisy, data, 0.02, forward=forward)
    return {name: getattr(found, name) for name in FOUND}


@pytest.fixture(scope="module")
def plain():
    return measured(network())


class Checkpointed(nn.Module):
    """Its forward pass is made again in each backward pass."""

    def __init__(self, reentrant=False):
        super().__init__()
        self.net, self.reentrant = network(), reentrant

    def forward(self, x):
        return checkpoint(self.net, x, use_reentrant=self.reentrant)


def compiled_part():
    model = network()
    model[1] = torch.compile(model[1], backend="aot_eager")
    return model


def compiled_in_place():
    model = network()
    model.compile(backend="aot_eager")
    return model


@pytest.mark.parametrize(
    "make",
    [
        Checkpointed,
        compiled_part,
        compiled_in_place,
        lambda: torch.compile(network(), backend="aot_eager"),
    ],
)
def test_models_that_run_in_another_way(plain, make):
    model = make()
    model(X)  # as in training before
    assert measured(model) == pytest.approx(plain, rel=1e-3)


def each_by_itself(f, y):
    return torch.func.vmap(lambda a, b: (a - b).square().mean())(f, y).mean()


@pytest.mark.parametrize(
    "loss", [torch.compile(F.mse_loss, backend="aot_eager"), each_by_itself, nn.MSELoss()]
)
def test_losses_that_run_in_another_way(plain, loss):
    assert measured(network(), loss) == pytest.approx(plain, rel=1e-3)


def test_a_functional_forward_pass(plain):
    def forward(model, batch):
        weights = dict(model.named_parameters())
        return torch.func.functional_call(model, weights, (batch[0],)), batch[1]

    assert measured(network(), forward=forward) == pytest.approx(plain, rel=1e-3)


def test_compiled_functions_are_compiled_again_afterwards():
    calls = []

    def backend(graph, inputs):
        calls.append(len(graph.graph.nodes))
        return graph.forward

    loss = torch.compile(F.mse_loss, backend=backend)
    measured(network(), loss)
    assert not calls
    loss(X, X + 1)
    assert calls


class Detached(torch.autograd.Function):
    """Cross-entropy whose gradient is made in the forward pass, as fused kernels do."""

    @staticmethod
    def forward(context, logits, labels):
        slope = logits.softmax(1)
        loss = F.nll_loss(slope.log(), labels)
        context.slope = (slope - F.one_hot(labels, logits.shape[1])) / len(labels)
        return loss

    @staticmethod
    def backward(context, grad):
        return grad * context.slope, None


def test_a_loss_without_a_second_derivative():
    flips = LabelFlips(0.2, classes=3)
    with pytest.raises(RuntimeError, match="the loss has no second derivative"):
        calibrate(network(3), lambda f, y: Detached.apply(f, flips(y)), (X, LABELS), 0.02)


@pytest.mark.parametrize(
    "loss",
    [
        F.l1_loss,
        lambda f, y: F.relu(1 - f * y.sign()).mean(),
        lambda f, y: (f * y).mean(),
    ],
)
@pytest.mark.parametrize("at_kinks", [False, True])
def test_losses_that_are_piecewise_linear_have_no_curvature(loss, at_kinks):
    noise, data = LabelNoise(0.3), (X, network()(X).detach() if at_kinks else Y)
    found = calibrate(network(), lambda f, y: loss(f, noise(y)), data, 0.02)
    assert found.doubts[0].verdict is Verdict.NO_CURVATURE


def test_a_loss_with_a_part_that_is_no_function_of_the_outputs(plain):
    weight = torch.ones((), requires_grad=True)

    def loss(f, y):
        return F.mse_loss(f, y) + 0.1 * weight.square()

    assert measured(network(), loss) == pytest.approx(plain, rel=1e-3)
    outputs = torch.randn(5, 2)
    assert OutputHessian(outputs, lambda o: (weight * o).sum()).times(outputs).abs().sum() == 0


class Spectral(nn.Module):
    """The same function, its weights held as complex numbers or as pairs of reals."""

    def __init__(self, as_complex, conjugate=False):
        super().__init__()
        torch.manual_seed(3)
        w = 0.5 * torch.randn(5, 8, dtype=torch.complex64)
        self.as_complex = as_complex
        if conjugate:
            w = w.conj().resolve_conj().conj()  # the same numbers, held conjugated
        self.w = nn.Parameter(w if as_complex else torch.view_as_real(w).clone())
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        w = self.w if self.as_complex else torch.view_as_complex(self.w)
        return self.out((x.to(w.dtype) @ w).abs().tanh())


@pytest.mark.parametrize("conjugate", [False, True])
def test_complex_weights_are_pairs_of_reals(conjugate):
    pairs = measured(Spectral(as_complex=False))
    assert measured(Spectral(as_complex=True, conjugate=conjugate)) == pytest.approx(pairs, 1e-3)


def test_complex_outputs_are_refused():
    with pytest.raises(ValueError, match=r"real numbers .*got Tensor torch\.complex64 \(30, 1\)"):
        calibrate(network(), F.mse_loss, (X, Y), 0.02, forward=lambda m, b: (m(b[0]) * 1j, b[1]))


def test_a_penalty_in_the_loss_is_weight_decay():
    noise, model = LabelNoise(0.3), network().eval()

    def penalised(square=0.0, absolute=0.0, other=0.0):
        def loss(f, y):
            weights = torch.cat([p.flatten() for p in model.parameters()])
            own = square * weights.square().sum() / 2 + absolute * weights.abs().sum()
            return F.mse_loss(f, noise(y)) + own + other * weights[::2].sum()

        return calibrate(model, loss, (X, Y), 0.02)

    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert penalised(square=0.01).weight_decay == pytest.approx(0.01, rel=1e-4)
    radial = float(weights.abs().sum() / weights.square().sum())
    assert penalised(absolute=0.01).weight_decay == pytest.approx(0.01 * radial, rel=1e-4)
    assert math.isnan(penalised().weight_decay)
    assert math.isnan(penalised(other=0.01).weight_decay)


class Words(nn.Module):
    def __init__(self, sparse, functional=False):
        super().__init__()
        torch.manual_seed(1)
        self.words = nn.Embedding(30, 6, sparse=sparse)
        self.functional = functional
        self.out = nn.Linear(6, 1)

    def forward(self, x):
        ids = torch.arange(len(x))
        rows = F.embedding(ids, self.words.weight, sparse=True) if self.functional else None
        return self.out(torch.tanh(self.words(ids) if rows is None else rows))


def test_sparse_embeddings_are_as_dense_ones():
    model = Words(sparse=True)
    assert measured(model) == pytest.approx(measured(Words(sparse=False)), rel=1e-3)
    assert model.words.sparse
    with pytest.raises(ValueError, match="some are sparse"):
        measured(Words(sparse=False, functional=True))


def test_inputs_that_are_whole_numbers():
    words = torch.arange(30)[:, None] * torch.tensor([1, 7]) % 11
    torch.manual_seed(1)
    model = nn.Sequential(nn.Embedding(11, 6), nn.Flatten(), nn.Tanh(), nn.Linear(12, 1))

    def one_hot(model, batch):
        rows = F.one_hot(batch[0], 11).float() @ model[0].weight
        return model[3](torch.tanh(rows.flatten(1))), batch[1]

    found = measured(model, data=(words, Y))
    assert found == pytest.approx(measured(model, data=(words, Y), forward=one_hot), rel=1e-3)


class Blind(nn.Module):
    """Outputs without a way back to the parameters."""

    def __init__(self):
        super().__init__()
        self.net = network()

    @torch.no_grad()
    def forward(self, x):
        return self.net(x)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("make", [Blind, lambda: Checkpointed(reentrant=True)])
def test_outputs_that_do_not_depend_on_the_parameters(make):
    with pytest.raises(ValueError, match="outputs must depend on the parameters"):
        measured(make())


def test_a_lazy_model():
    with pytest.raises(ValueError, match="run a lazy model once before"):
        measured(nn.Sequential(nn.LazyLinear(1)))


def test_noise_in_a_checkpointed_part_is_refused():
    class Noisy(Checkpointed):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(LabelNoise(0.1), network())

    with pytest.raises(RuntimeError, match="activation checkpointing"):
        calibrate(Noisy(), F.mse_loss, (X, Y), 0.02)


def test_weights_of_examples(plain):
    """Targets may be anything that the loss takes apart."""
    noise, weights = LabelNoise(0.3), torch.linspace(0.5, 2, 30)[:, None]
    loss = lambda f, y: (y[1] * (f - noise(y[0])).square()).mean()  # noqa: E731
    ones = calibrate(network(), loss, [(X, (Y, torch.ones(30, 1)))], 0.02)
    assert ones.sharpness == pytest.approx(plain["sharpness"], rel=1e-3)
    assert calibrate(network(), loss, [(X, (Y, weights))], 0.02).sharpness > ones.sharpness
    flips = LabelFlips(0.1, classes=3)
    found = calibrate(
        network(3),
        lambda f, y: (weights[:, 0] * F.cross_entropy(f, flips(y), reduction="none")).mean(),
        (X, LABELS),
        0.02,
    )
    assert found.sharpness > 0


def odd_buffers():
    with torch.inference_mode():
        made_in_inference = torch.zeros(3)
    return {
        "expanded": torch.zeros(1).expand(3),
        "overlapping": torch.arange(10.0).unfold(0, 3, 1),
        "slice": torch.arange(10.0)[3::2],
        "transposed": torch.ones(2, 3).T,
        "conjugated": torch.randn(3, dtype=torch.complex64).conj(),
        "inference": made_in_inference,
        "nan": torch.full((2,), torch.nan),
        "flag": torch.tensor(True),
        "nothing": torch.zeros(0),
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.zeros(3, device="meta"),
    }


def test_buffers_of_every_kind_come_back():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.norm = network(3), nn.BatchNorm1d(3)
            for name, buffer in odd_buffers().items():
                self.register_buffer(name, buffer)
            self.register_buffer("absent", None)
            self.first = self.expanded[:1]  # another way to the same memory

        def forward(self, x):
            with torch.no_grad():
                self.first += 1
                self.slice[0] = 7
                with torch.inference_mode():
                    self.inference += 1
            return self.norm(self.net(x)) + self.expanded

    model, flips = Model(), LabelFlips(0.2, classes=3)
    kept = {name: str(buffer) for name, buffer in model.named_buffers()}
    state = copy.deepcopy(model.norm.state_dict())
    buffers = dict(model.named_buffers())
    calibrate(model, lambda f, y: F.cross_entropy(f, flips(y)), (X, LABELS), 0.02)
    assert {name: str(buffer) for name, buffer in model.named_buffers()} == kept
    assert all(buffer is buffers[name] for name, buffer in model.named_buffers())
    assert all(torch.equal(state[name], value) for name, value in model.norm.state_dict().items())


def test_one_that_cannot_be_put_back_costs_the_others_nothing():
    class Stubborn(torch.Generator):
        def set_state(self, state):
            raise KeyError("theirs")

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.norm = network(), nn.BatchNorm1d(1)

        def forward(self, x):
            return self.norm(self.net(x))

    model, noise = Model(), LabelNoise(0.3)
    before = model.norm.running_mean.clone()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(X, Y), 10, generator=Stubborn()
    )
    with pytest.raises(KeyError, match="theirs"):
        calibrate(model, lambda f, y: F.mse_loss(f, noise(y)), loader, 0.02)
    assert torch.equal(model.norm.running_mean, before)
    assert noise.count == 0
