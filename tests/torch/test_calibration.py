"""Calibration of PyTorch models: known answers, verdicts, and laws made of them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.calibration import CalibrationError, Verdict
from flatfast.torch import LabelFlips, LabelNoise, calibrate, couple
from flatfast.torch.batches import pair
from flatfast.torch.landscape import ModelLandscape
from tests.torch.calibrated import INDEX, ZEROS, Pairs, classes, half_square, network, trained


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_kappa_of_a_bowl(scale):
    found = calibrate(
        Pairs(scale=scale), half_square(LabelNoise(0.3)), (INDEX, ZEROS), 0.01, budget=600
    )
    assert found.kappa == pytest.approx(0.3**2 * 2 * scale**2 / 40 / (4 * 40), rel=0.1)
    assert found.ok


def test_a_pair_is_named_where_no_learning_rate_is_given():
    loss, data = half_square(LabelNoise(2.0)), (INDEX, ZEROS)
    found = calibrate(Pairs(), loss, data, budget=200)
    assert found.pair is not None
    assert found.pair.momentum == found.law(found.pair.lr)
    steepest = 2.0**2 / 40
    assert found.pair.limit == pytest.approx(2 * (1 + found.pair.momentum) / steepest, rel=0.1)
    assert found.pair.lr * (1 + found.pair.margin) < found.pair.limit
    batches = DataLoader(TensorDataset(INDEX, ZEROS), batch_size=4)
    held = calibrate(Pairs(), half_square(LabelNoise(0.3)), batches, budget=200)
    assert held.pair is not None
    assert held.pair.bound == "batches"


def test_kappa_of_the_scalar_product():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.u = nn.Parameter(torch.tensor([np.e]))
            self.v = nn.Parameter(torch.tensor([1 / np.e]))

        def forward(self, x):
            return self.u * self.v

    found = calibrate(
        Product(), half_square(LabelNoise(0.5)), (torch.zeros(1), torch.ones(1)), 1e-4, budget=6000
    )
    # With u = e^q the trace is 2 cosh 2q, and its squared slope along the hyperbola
    # 8 sinh^2 2q / cosh 2q.
    q2 = 2.0
    slope, trace = 8 * np.sinh(q2) ** 2 / np.cosh(q2), 2 * np.cosh(q2)
    assert found.along == pytest.approx(slope, rel=1e-3)
    assert found.kappa == pytest.approx(0.5**2 / 4 * slope / (2 * trace), rel=0.1)


@pytest.mark.parametrize("kind", ["squares", "classes"])
def test_rows_add_up_to_the_trace_and_its_slope(kind):
    """Of the Gauss-Newton matrix with the loss's Hessian held fixed, as probes have it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x, labels = torch.randn(4, 3).double(), torch.tensor([0, 1, 2, 1])
    loss, y = (F.mse_loss, x) if kind == "squares" else (F.cross_entropy, labels)
    params = list(model.parameters())
    options = {"seed": 0, "batches_per_step": 1}
    landscape = ModelLandscape(model, loss, (x, y), params, pair, **options)
    assert landscape.outputs == 12
    outputs = model(x).detach().flatten()
    S = torch.autograd.functional.hessian(lambda o: loss(o.view(4, 3), y), outputs)
    rows = [torch.autograd.grad(o, params, create_graph=True) for o in model(x).flatten()]
    J = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
    trace = torch.trace(S @ J @ J.T)
    parts = torch.autograd.grad(trace, params, materialize_grads=True)
    slope = torch.cat([part.flatten() for part in parts])
    found = [landscape.row(number) for number in range(12)]
    assert sum(value for value, _ in found) == pytest.approx(float(trace), rel=1e-4)
    assert sum(part for _, part in found).tolist() == pytest.approx(
        slope.tolist(), rel=1e-3, abs=1e-5
    )


def test_rows_are_had_where_a_batch_is_all_there_is():
    loss, params = half_square(LabelNoise(0.3)), list(Pairs().parameters())

    def outputs(data):
        options = {"seed": 0, "batches_per_step": 1}
        return ModelLandscape(Pairs(), loss, data, params, pair, **options).outputs

    data = TensorDataset(INDEX, ZEROS)
    assert outputs((INDEX, ZEROS)) == outputs(DataLoader(data, batch_size=40)) == 40
    assert outputs(DataLoader(data, batch_size=10)) == outputs([(INDEX, ZEROS)] * 2) == 0


def test_few_outputs_are_measured_without_probes():
    model = Pairs(examples=8)
    found = calibrate(model, half_square(LabelNoise(0.3)), (INDEX[:8], ZEROS[:8]), 0.01)
    assert found.sharpness == pytest.approx(float(model.x.detach().square().sum()) / 8)
    assert found.sharpness.error == found.along.error == 0
    assert found.ok


def test_batches_and_all_examples_agree():
    data = TensorDataset(INDEX, ZEROS)
    loader = DataLoader(data, batch_size=10, shuffle=True)
    whole = calibrate(Pairs(), half_square(LabelNoise(0.3)), (INDEX, ZEROS), 1e-3, budget=2000)
    batched = calibrate(Pairs(), half_square(LabelNoise(0.3)), loader, 1e-3, budget=2000)
    # A batch of a quarter carries four times the noise.
    assert batched.kappa == pytest.approx(4 * whole.kappa, rel=0.15)
    assert batched.ok


def test_a_real_network_under_label_noise():
    data, noise = classes(24), LabelNoise(0.3, classes=4)
    clean = lambda f, y: F.mse_loss(f, F.one_hot(y, 4).float())  # noqa: E731
    model, _ = trained(network(), clean, data, 3000)
    noisy = lambda f, y: F.mse_loss(f, noise(y))  # noqa: E731
    first = calibrate(model, noisy, data, 0.1, budget=300)
    assert first.ok, str(first)
    assert abs(first.off) < 0.1
    # The covariance of this noise is 2 std^2 / (B K) H.
    assert first.noise / first.sharpness == pytest.approx(2 * 0.3**2 / (24 * 4), rel=0.15)
    second = calibrate(model, noisy, data, 0.1, budget=300, seed=1)
    assert np.log(second.C / first.C) == pytest.approx(
        0, abs=4 * np.hypot(first.C.relative, second.C.relative)
    )


def test_label_flips_under_cross_entropy_are_noise_of_one_over_the_batch():
    data, flips = classes(24), LabelFlips(0.2, classes=4)
    smooth = lambda f, y: F.cross_entropy(  # noqa: E731
        f, F.one_hot(y, 4) * (0.8 - 0.2 / 3) + 0.2 / 3
    )
    model, _ = trained(network(), smooth, data, 3000)
    found = calibrate(model, lambda f, y: F.cross_entropy(f, flips(y)), data, 0.1, budget=300)
    assert found.ok, str(found)
    assert found.noise / found.sharpness == pytest.approx(1 / 24, rel=0.15)


def test_a_part_of_the_parameters():
    model, noise = Pairs(), LabelNoise(0.3)
    every = calibrate(model, half_square(noise), (INDEX, ZEROS), 0.01, budget=300)
    alone = calibrate(model, half_square(noise), (INDEX, ZEROS), 0.01, budget=300, params=[model.y])
    assert every.ok
    # With x fixed the outputs are linear in what is left.
    assert [doubt.verdict for doubt in alone.doubts] == [Verdict.NO_SLOPE]
    model.x.requires_grad_(False)
    frozen = calibrate(model, half_square(noise), (INDEX, ZEROS), 0.01)
    assert [doubt.verdict for doubt in frozen.doubts] == [Verdict.NO_SLOPE]


def test_ordinary_sgd_is_told_that_its_noise_does_not_last():
    data = classes()
    model, _ = trained(network(), F.cross_entropy, data, 20)
    loader = DataLoader(TensorDataset(*data), 10, shuffle=True)
    found = calibrate(model, F.cross_entropy, loader, 0.1)
    assert Verdict.NO_LASTING_NOISE in [doubt.verdict for doubt in found.doubts]
    with pytest.raises(CalibrationError, match="LabelNoise"):
        flatfast.torch.SGD(model.parameters(), lr=0.1, C=found)


def test_dropout_is_noise_that_lasts():
    data = classes()
    model, _ = trained(network(nn.Dropout(0.2)), F.cross_entropy, data, 20)
    found = calibrate(model, F.cross_entropy, data, 0.1)
    assert Verdict.NO_LASTING_NOISE not in [doubt.verdict for doubt in found.doubts]
    assert found.noise > 0
    still = calibrate(model.eval(), F.cross_entropy, data, 0.1)
    assert Verdict.NO_LASTING_NOISE in [doubt.verdict for doubt in still.doubts]


def test_a_start_that_does_not_interpolate():
    data, noise = classes(), LabelNoise(0.1, classes=4)
    found = calibrate(network(), lambda f, y: F.mse_loss(f, noise(y)), data, 0.1)
    assert Verdict.OFF_MANIFOLD in [doubt.verdict for doubt in found.doubts], str(found)


def test_double_precision():
    data = torch.randn(24, 6).double(), torch.randint(4, (24,))
    model, flips = network().double(), LabelFlips(0.2, classes=4)
    weight = torch.arange(1.0, 5.0).double()
    loss = lambda f, y: F.cross_entropy(f, flips(y), weight=weight)  # noqa: E731
    found = calibrate(model, loss, data, 0.01)
    assert found.sharpness > 0


def test_a_model_that_has_learnt_nothing_is_refused_on_a_few_examples():
    accepted = 0
    for seed in range(12):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 2))
        data, flips = (
            TensorDataset(torch.randn(16, 20), torch.randint(2, (16,))),
            LabelFlips(0.1, 2),
        )
        loss = lambda f, y, flips=flips: F.cross_entropy(f, flips(y))  # noqa: E731
        accepted += calibrate(model, loss, DataLoader(data, 8), 0.01, seed=seed).ok
    assert accepted <= 1


def test_a_step_that_gathers_several_batches():
    one = calibrate(Pairs(), half_square(LabelNoise(0.3)), (INDEX, ZEROS), 0.01, budget=600)
    four = calibrate(
        Pairs(), half_square(LabelNoise(0.3)), (INDEX, ZEROS), 0.01, budget=600, batches_per_step=4
    )
    # The same draws, averaged over four batches.
    assert four.noise == pytest.approx(one.noise / 4)
    assert four.noise_total == pytest.approx(one.noise_total / 4)
    assert pytest.approx(one.C * 4 ** (-1 / 3), rel=1e-3) == four.C


def test_on_the_manifold_small_batches_are_not_taken_for_a_way_to_go():
    torch.manual_seed(0)
    x = torch.randn(200, 6)
    model = nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 1))
    with torch.no_grad():
        targets = model(x)
    loader = DataLoader(TensorDataset(x, targets), 8, shuffle=True)
    found = [
        calibrate(model, half_square(LabelNoise(0.3, seed=seed)), loader, 1e-4, seed=seed)
        for seed in range(8)
    ]
    assert max(abs(c.off) for c in found) > 0.3
    refused = [Verdict.OFF_MANIFOLD in [d.verdict for d in c.doubts] for c in found]
    assert sum(refused) <= 1


@pytest.mark.parametrize("kind", ["attention", "recurrent", "compiled"])
def test_layers_whose_fast_kernels_have_no_second_derivative(kind):
    torch.manual_seed(0)

    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            if kind == "recurrent":
                self.layer = nn.LSTM(8, 8, batch_first=True)
            else:
                self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            found = self.layer(x)
            return self.head((found[0] if kind == "recurrent" else found).mean(1))

    model = Sequence()
    given = torch.compile(model, backend="aot_eager") if kind == "compiled" else model
    data = torch.randn(12, 5, 8), torch.randint(3, (12,))
    flips = LabelFlips(0.2, classes=3)
    found = calibrate(given, lambda f, y: F.cross_entropy(f, flips(y)), data, 0.01)
    assert found.sharpness > 0
    assert found.along > 0


def test_dropout_within_attention_is_off_where_curvature_is_measured():
    torch.manual_seed(0)

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x)[0].mean(1)

    model, data = Attention(), (torch.randn(12, 5, 8), torch.zeros(12, 8))
    landscape = ModelLandscape(
        model, F.mse_loss, data, list(model.parameters()), pair, seed=0, batches_per_step=1
    )
    v = torch.randn(sum(p.numel() for p in model.parameters()))
    first = landscape.product(v)
    landscape._graphs = []
    assert torch.equal(first, landscape.product(v))
    one, two = landscape.gradients()
    assert not torch.equal(one, two)
    assert model.attention.training


def test_half_precision():
    data, noise = classes(24), LabelNoise(0.3, classes=4)
    model, _ = trained(network(), lambda f, y: F.mse_loss(f, noise.clean(y)), data, 3000)
    noisy = lambda f, y: F.mse_loss(f.float(), noise(y))  # noqa: E731
    full = calibrate(model, noisy, data, 0.1, budget=300)
    with torch.autocast("cpu", torch.bfloat16):
        half = calibrate(model, noisy, data, 0.1, budget=300)
        assert torch.is_autocast_enabled("cpu")
    assert abs(np.log(half.C / full.C)) < 0.15


def test_the_optimizer_takes_a_calibration():
    model = Pairs()
    found = calibrate(model, half_square(LabelNoise(0.3)), (INDEX, ZEROS), 0.01, budget=300)
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.01, C=found)
    assert optimizer.coupling.groups()[0].momentum == pytest.approx(1 - found.C * 0.01 ** (2 / 3))
    by_number = flatfast.torch.SGD(model.parameters(), lr=0.01, C=found.C)
    assert by_number.coupling.law(0) == optimizer.coupling.law(0) == MomentumLaw(found.C)
    plain = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    assert couple(plain, found.law).groups()[0].momentum == found.law(0.01)


def test_a_saved_prefactor_is_loaded_with_its_error(tmp_path):
    found = calibrate(Pairs(), half_square(LabelNoise(0.3)), (INDEX, ZEROS), 0.01)
    torch.save({"C": found.C}, tmp_path / "kept.pt")
    kept = torch.load(tmp_path / "kept.pt", weights_only=True)["C"]
    assert (kept, kept.error) == (found.C, found.C.error)


@pytest.mark.gpu
def test_on_an_accelerator():
    model = Pairs().cuda()
    data = DataLoader(TensorDataset(INDEX, ZEROS), batch_size=40)  # on the host: it is moved
    found = calibrate(model, half_square(LabelNoise(0.3)), data, 0.01, budget=600)
    assert found.kappa == pytest.approx(0.3**2 * 2 / 40 / (4 * 40), rel=0.1)
