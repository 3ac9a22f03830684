"""Calibration of PyTorch models: known answers, and everything left as it was."""

import copy
import gc
import multiprocessing
import random
import weakref
from collections import UserDict
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.calibration import CalibrationError, Verdict
from flatfast.torch import LabelFlips, LabelNoise, calibrate, couple
from flatfast.torch.batches import pair
from flatfast.torch.landscape import ModelLandscape
from flatfast.torch.output_hessian import OutputHessian


class Pairs(nn.Module):
    """Outputs ``a x_i y_i``, one for each example: see tests/calibration/plain.py."""

    def __init__(self, examples=40, scale=1.0):
        super().__init__()
        self.x = nn.Parameter(torch.linspace(0.5, 2.0, examples))
        self.y = nn.Parameter(torch.zeros(examples))
        self.scale = scale

    def forward(self, index):
        return self.scale * self.x[index] * self.y[index]


def half_square(noise):
    return lambda outputs, targets: (outputs - noise(targets)).square().sum() / (2 * len(outputs))


INDEX, ZEROS = torch.arange(40), torch.zeros(40)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_kappa_of_a_bowl(scale):
    found = calibrate(
        Pairs(scale=scale), half_square(LabelNoise(0.3)), (INDEX, ZEROS), 0.01, budget=600
    )
    assert found.kappa == pytest.approx(0.3**2 * 2 * scale**2 / 40 / (4 * 40), rel=0.1)
    assert found.ok


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


def test_batches_and_all_examples_agree():
    data = TensorDataset(INDEX, ZEROS)
    loader = DataLoader(data, batch_size=10, shuffle=True)
    whole = calibrate(Pairs(), half_square(LabelNoise(0.3)), (INDEX, ZEROS), 1e-3, budget=2000)
    batched = calibrate(Pairs(), half_square(LabelNoise(0.3)), loader, 1e-3, budget=2000)
    # A batch of a quarter carries four times the noise.
    assert batched.kappa == pytest.approx(4 * whole.kappa, rel=0.15)
    assert batched.ok


def network(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), *layers, nn.Tanh(), nn.Linear(16, 4))


def classes(count=60):
    torch.manual_seed(1)
    return torch.randn(count, 6), torch.randint(4, (count,))


def trained(model, loss, data, steps=400):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(data[0]), data[1]).backward()
        optimizer.step()
    return model, optimizer


def snapshot(model, optimizer, loader, noise):
    return copy.deepcopy(
        {
            "model": model.state_dict(),
            "grads": [p.grad for p in model.parameters()],
            "modes": [m.training for m in model.modules()],
            "optimizer": optimizer.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
            "python": random.getstate(),
            "loader": loader.generator.get_state(),
            "noise": noise.get_extra_state(),
        }
    )


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_left_as_it_was(mode, fails):
    data, noise = classes(), LabelNoise(0.1, classes=4)
    model = network(nn.BatchNorm1d(16), nn.Dropout(0.2)).train(mode)
    model[1].eval()  # a part of the model in another mode
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(TensorDataset(*data), 20, shuffle=True, generator=generator)
    loss = lambda f, y: F.mse_loss(f, noise(y))  # noqa: E731
    model, optimizer = trained(model, loss, data, 3)
    before = snapshot(model, optimizer, loader, noise)
    assert before["noise"]["count"] == 3
    if fails:

        def broken(outputs, targets):
            noise(targets)
            raise KeyError("theirs")

        with pytest.raises(KeyError, match="theirs"):
            calibrate(model, broken, loader, 0.1)
    else:
        calibrate(model, loss, loader, 0.1, budget=60)
    assert same(before, snapshot(model, optimizer, loader, noise))


def test_a_training_goes_on_as_if_nothing_had_been():
    def run(calibrated):
        noise = LabelNoise(0.1, classes=4)
        loss = lambda f, y: F.mse_loss(f, noise(y))  # noqa: E731
        model, _ = trained(network(nn.Dropout(0.1)), loss, classes(), 5)
        if calibrated:
            calibrate(model, loss, classes(), 0.1, budget=60)
        return trained(model, loss, classes(), 5)[0].state_dict()

    assert same(run(False), run(True))


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


def test_other_batches():
    model, noise = Pairs(), LabelNoise(0.3)
    batches = [{"index": INDEX, "targets": ZEROS}] * 3
    found = calibrate(
        model,
        half_square(noise),
        batches,
        0.01,
        budget=300,
        forward=lambda model, batch: (model(batch["index"]), batch["targets"]),
    )
    assert found.ok
    with pytest.raises(ValueError, match=r"a batch must be \(inputs, targets\), got dict"):
        calibrate(model, half_square(noise), batches, 0.01)


def test_batches_of_a_kind_of_their_own():
    class Encoding(UserDict):
        moved = 0

        def to(self, device):
            Encoding.moved += 1
            return Encoding({"x": self.data["x"].to(device)})

    noise = LabelNoise(0.3)
    told = calibrate(
        Pairs(),
        half_square(noise),
        [Encoding(x=INDEX)] * 2,
        0.01,
        forward=lambda model, batch: (model(batch["x"]), ZEROS),
    )
    assert told.ok
    assert Encoding.moved > 0


def test_a_batch_of_which_nothing_is_known_but_that_it_moves():
    class Drawn:
        def to(self, device):
            return self

    noise = LabelNoise(0.3)
    found = calibrate(
        Pairs(),
        half_square(noise),
        [Drawn()] * 2,
        0.01,
        forward=lambda model, batch: (model(INDEX), ZEROS),
    )
    assert found.ok


def test_nothing_is_kept_alive():
    gc.collect()
    gc.disable()
    try:
        made = []

        class Watched(ModelLandscape):
            def __init__(self, *args, **options):
                super().__init__(*args, **options)
                made.append(weakref.ref(self))

        data = DataLoader(TensorDataset(INDEX, ZEROS), 10, num_workers=1)
        with mock.patch("flatfast.torch.calibration.ModelLandscape", Watched):
            calibrate(Pairs(), half_square(LabelNoise(0.3)), data, 0.01, budget=40)
        assert made[0]() is None
        assert not multiprocessing.active_children()
    finally:
        gc.enable()


def test_under_no_grad_and_inference_mode():
    for off in (torch.no_grad, torch.inference_mode):
        model, data = Pairs(), (INDEX.clone(), ZEROS.clone())
        with off():
            assert calibrate(model, half_square(LabelNoise(0.3)), data, 0.01).ok


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


def test_a_loader_in_the_middle_of_an_epoch_goes_on():
    noise = LabelNoise(0.3)
    loader = DataLoader(TensorDataset(INDEX, ZEROS), 10, num_workers=1, persistent_workers=True)
    seen = []
    for index, _ in loader:
        seen += index.tolist()
        if len(seen) == 10:
            calibrate(Pairs(), half_square(noise), loader, 0.01, budget=40)
    assert seen == INDEX.tolist()
    assert loader.persistent_workers


@pytest.mark.parametrize("seedable", [False, True])
def test_a_loader_that_accelerate_prepared_goes_on(seedable):
    accelerate = pytest.importorskip("accelerate", reason="needs accelerate")
    options = accelerate.utils.DataLoaderConfiguration(use_seedable_sampler=seedable)
    accelerator = accelerate.Accelerator(cpu=True, dataloader_config=options)

    def seen(calibrated):
        torch.manual_seed(0)
        loader = accelerator.prepare(
            DataLoader(
                TensorDataset(INDEX, ZEROS),
                10,
                shuffle=True,
                num_workers=1,
                persistent_workers=True,
            )
        )
        found = []
        for _ in range(2):
            for number, (index, _) in enumerate(loader):
                found += index.tolist()
                if calibrated and number == 1:
                    calibrate(Pairs(), half_square(LabelNoise(0.3)), loader, 0.01, budget=40)
        return found

    assert len(seen(True)) == 2 * len(INDEX)
    assert seen(True) == seen(False)


def test_a_buffer_that_forward_replaces_comes_back():
    class Averaging(Pairs):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.ones(1))

        def forward(self, index):
            outputs = super().forward(index)
            self.mean = 0.9 * self.mean + outputs.detach().mean()
            return outputs

    model = Averaging()
    before = model.mean
    calibrate(model, half_square(LabelNoise(0.3)), (INDEX, ZEROS), 0.01)
    assert model.mean is before
    assert model.mean == 1


def test_a_parameter_given_twice_counts_once():
    model, noise = Pairs(), LabelNoise(0.3)
    once = calibrate(model, half_square(noise), (INDEX, ZEROS), 0.01)
    twice = calibrate(
        model, half_square(noise), (INDEX, ZEROS), 0.01, params=[*model.parameters()] * 2
    )
    assert twice.C == once.C


def test_half_precision():
    data, noise = classes(24), LabelNoise(0.3, classes=4)
    model, _ = trained(network(), lambda f, y: F.mse_loss(f, noise.clean(y)), data, 3000)
    noisy = lambda f, y: F.mse_loss(f.float(), noise(y))  # noqa: E731
    full = calibrate(model, noisy, data, 0.1, budget=300)
    with torch.autocast("cpu", torch.bfloat16):
        half = calibrate(model, noisy, data, 0.1, budget=300)
        assert torch.is_autocast_enabled("cpu")
    assert abs(np.log(half.C / full.C)) < 0.15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": -1.0}, "lr must be positive"),
        ({"budget": 1}, "budget must be at least"),
        ({"seconds": 0.0}, "seconds must be positive"),
        ({"data": []}, "data gives no batch"),
        ({"data": iter([(INDEX, ZEROS)] * 4)}, "data can be gone through only once"),
        ({"data": TensorDataset(INDEX, ZEROS)}, "TensorDataset gives examples"),
        ({"data": [("text", ["more"])], "forward": lambda m, b: b}, "outputs must be a tensor"),
        ({"data": [(INDEX[:0], ZEROS[:0])]}, "the first batch is empty"),
        ({"forward": lambda m, b: ({"logits": m(b[0])}, b[1])}, "outputs must be a tensor.*dict"),
        ({"forward": lambda m, b: (m(b[0]).sum(), b[1])}, "examples in its first dimension"),
        ({"params": []}, "no parameter requires a gradient"),
        ({"batches_per_step": 0}, "batches_per_step must be at least 1"),
        ({"seconds": 1e-9}, "seconds must be at least .*, the time of 40 gradient"),
    ],
)
def test_bad_arguments(arguments, message):
    given = {"data": (INDEX, ZEROS), "lr": 0.1, **arguments}
    with pytest.raises(ValueError, match=message):
        calibrate(Pairs(), half_square(LabelNoise(0.1)), **given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": "a"}, "lr must be a positive number, got 'a'"),
        ({"lr": True}, "lr must be a positive number, got True"),
        ({"lr": None}, "lr must be a positive number, got None"),
        ({"lr": torch.ones(2)}, "lr must be a positive number, got tensor"),
        ({"budget": "60"}, "budget must be a whole number of gradient evaluations, got '60'"),
        ({"budget": 60.5}, "budget must be a whole number of gradient evaluations, got 60.5"),
        ({"weight_decay": "a"}, "weight_decay must be a number, at least 0, got 'a'"),
        ({"seconds": "a"}, "seconds must be a positive number, got 'a'"),
        ({"batches_per_step": 1.5}, "batches_per_step must be a whole number, at least 1, got 1.5"),
    ],
)
def test_numbers_that_are_none(arguments, message):
    given = {"data": (INDEX, ZEROS), "lr": 0.1, **arguments}
    with pytest.raises(TypeError, match=message):
        calibrate(Pairs(), half_square(LabelNoise(0.1)), **given)


def test_a_learning_rate_as_a_tensor_is_the_number():
    loss = half_square(LabelNoise(0.1))
    found = calibrate(Pairs(), loss, (INDEX, ZEROS), lr=torch.tensor(0.125))
    assert type(found.lr) is float
    assert found.lr == 0.125


@pytest.mark.parametrize("arguments", [{}, {"seconds": 1.0}], ids=str)
def test_a_loss_that_is_not_reduced_is_named(arguments):
    def each(outputs, targets):
        return (outputs - targets).square()

    def number(outputs, targets):
        return float(each(outputs, targets).detach().sum())

    said = rf"loss_fn must return one number.*got a tensor of shape \({len(INDEX)},\)"
    with pytest.raises(ValueError, match=said):
        calibrate(Pairs(), each, (INDEX, ZEROS), lr=0.1, **arguments)
    with pytest.raises(TypeError, match=r"loss_fn must return a tensor with one.*got float"):
        calibrate(Pairs(), number, (INDEX, ZEROS), lr=0.1, **arguments)


def test_an_operation_without_a_second_derivative():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return 2 * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context, grad):
            return 2 * grad

    class Model(Pairs):
        def forward(self, index):
            return Once.apply(super().forward(index))

    with pytest.raises(RuntimeError, match="differentiated twice"):
        calibrate(Model(), half_square(LabelNoise(0.1)), (INDEX, ZEROS), 0.1)


def test_seconds_buy_evaluations():
    told = []
    found = calibrate(
        Pairs(),
        half_square(LabelNoise(0.3)),
        (INDEX, ZEROS),
        0.01,
        seconds=0.5,
        progress=lambda done, total: told.append(total),
    )
    assert found.evaluations >= 40
    assert told[-1] >= found.evaluations


def test_a_progress_bar(capsys):
    pytest.importorskip("rich", reason="needs rich")
    calibrate(Pairs(), half_square(LabelNoise(0.3)), (INDEX, ZEROS), 0.01, progress=True)
    assert "gradient evaluations" in capsys.readouterr().out


def test_the_cost_is_counted_in_gradient_evaluations():
    torch.manual_seed(0)
    model = nn.Sequential(*[m for _ in range(4) for m in (nn.Linear(64, 64), nn.Tanh())])
    data, noise = (torch.randn(50, 64), torch.randn(50, 64).tanh() / 2), LabelNoise(0.1)
    loss = half_square(noise)
    with FlopCounterMode(display=False) as one:
        loss(model(data[0]), data[1]).backward()
    with FlopCounterMode(display=False) as whole:
        found = calibrate(model, loss, data, 1e-3, budget=200)
    # The first layer's inputs need no gradient, which a backward pass saves and a probe does not.
    assert whole.get_total_flops() / one.get_total_flops() == pytest.approx(
        found.evaluations, rel=0.25
    )


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_an_accelerator():
    model = Pairs().cuda()
    data = DataLoader(TensorDataset(INDEX, ZEROS), batch_size=40)  # on the host: it is moved
    found = calibrate(model, half_square(LabelNoise(0.3)), data, 0.01, budget=600)
    assert found.kappa == pytest.approx(0.3**2 * 2 / 40 / (4 * 40), rel=0.1)
