"""What a calibration takes: batches of any form, numbers, a loss; and what it names as wrong."""

from collections import UserDict

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from flatfast.torch import LabelNoise, calibrate
from flatfast.torch.crossing import check_pairing
from tests.torch.calibrated import INDEX, ZEROS, Pairs, half_square


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


def test_a_parameter_given_twice_counts_once():
    model, noise = Pairs(), LabelNoise(0.3)
    once = calibrate(model, half_square(noise), (INDEX, ZEROS), 0.01)
    twice = calibrate(
        model, half_square(noise), (INDEX, ZEROS), 0.01, params=[*model.parameters()] * 2
    )
    assert twice.C == once.C


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


def squared(outputs, targets):
    return nn.functional.mse_loss(outputs, targets)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("noise", [None, LabelNoise(0.1)], ids=["bare", "noisy"])
@pytest.mark.parametrize("column", ["outputs", "targets"])
def test_targets_that_are_broadcast_are_named(column, noise):
    """(40, 1) less (40,) is (40, 40): each output would be fitted to the mean of all targets."""
    targets = torch.linspace(-1, 1, 40)
    shape = r"outputs of shape \({}\) and targets of shape \({}\) are broadcast"
    ways = ("40, 1", "40,") if column == "outputs" else ("40,", "40, 1")
    with pytest.raises(ValueError, match=shape.format(*ways)):
        calibrate(
            Pairs(),
            lambda f, y: squared(f, noise(y) if noise else y),
            (INDEX, targets if column == "outputs" else targets[:, None]),
            0.01,
            forward=lambda m, b: (m(b[0])[:, None] if column == "outputs" else m(b[0]), b[1]),
        )


@pytest.mark.parametrize(
    "loss",
    [
        lambda f, y: squared(f.squeeze(1), y),
        lambda f, y: squared(f, y[:, None]),
        lambda f, y: squared(f.squeeze(1), y - y.mean()),
        lambda f, y: f.square().mean(),
        lambda f, y: nn.functional.binary_cross_entropy_with_logits(f[:, 0], y.sigmoid()),
    ],
)
def test_losses_that_bring_shapes_together_themselves_are_legal(loss):
    check_pairing(loss, torch.linspace(0, 1, 40)[:, None], torch.linspace(-1, 1, 40))


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
        seconds=2.0,
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
