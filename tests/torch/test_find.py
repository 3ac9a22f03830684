"""A finder on bowls whose best pair is known, and what it does with options and noise."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from flatfast.torch import find
from flatfast.torch.finding.grid import COMPLEMENTS, Grid, Place
from flatfast.torch.finding.search import Level
from tests.torch.valley import CURVATURES, ONE, Valley, half_square, loss_by_hand


def every_pair(first, horizon, given=None):
    """All pairs of the grid that a search of this horizon may come to, within reason."""
    grid = Grid(given or first, given is not None, averages=False)
    rungs = range(Level(horizon).most + 1)
    steps = [0] if given else range(-12, 13)
    return [grid.pair(Place(step, rung)) for step in steps for rung in rungs]


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_losses_of_runs_are_those_by_hand(schedule):
    found = find(Valley(), half_square, ONE, schedule=schedule, budget=400)
    assert len(found.trials) > 8
    for trial in found.trials:
        lr, momentum = trial.pair.lr, trial.pair.momentum
        exact = loss_by_hand(lr, momentum, trial.horizon, cosine=schedule == "cosine")
        assert trial.losses == pytest.approx([exact] * len(trial.losses), rel=1e-6), trial


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_best_pair_of_a_bowl(schedule):
    found = find(Valley(), half_square, ONE, schedule=schedule, budget=900)
    first = found.start / sum(c**2 for c in CURVATURES)  # Polyak's step
    horizon, cosine = found.horizons[1], schedule == "cosine"

    def exact(pair):
        return loss_by_hand(pair.lr, pair.momentum, horizon, cosine=cosine)

    best = min(every_pair(first, horizon), key=exact)
    assert (found.measured.lr, found.measured.momentum) == pytest.approx((best.lr, best.momentum))
    assert found.loss == pytest.approx(exact(best), rel=1e-6)
    assert found.pair == found.measured  # no steps were given
    assert found.as_good == (found.measured,)  # nothing is noisy
    assert found.momenta == (best.momentum, best.momentum)
    assert str(found).startswith(f"Use lr {best.lr:.3g} with momentum {best.momentum:.4g}")


@pytest.mark.parametrize("lr", [0.05, 0.4])
def test_the_best_momentum_at_a_given_learning_rate(lr):
    found = find(Valley(), half_square, ONE, lr, budget=900)
    horizon = found.horizons[1]
    pairs = every_pair(lr, horizon, given=lr)
    best = min(pairs, key=lambda pair: loss_by_hand(lr, pair.momentum, horizon))
    assert found.lr == lr
    assert found.momentum == best.momentum
    assert str(found).startswith(f"Use momentum {best.momentum:.4g} at lr {lr:g}")


@pytest.mark.parametrize(("rate", "differ"), [(0.01, True), (0.1, False)])
def test_rates_that_differ_are_told_of_the_first_group(rate, differ):
    valley = Valley()
    groups = [{"params": valley.parameters(), "lr": 0.1}, {"params": Valley().parameters()}]
    optimizer = torch.optim.SGD(groups, lr=rate)
    told = str(find(valley, half_square, ONE, optimizer=optimizer, budget=300))
    assert ("that of the first parameter group" in told.replace("\n  ", " ")) is differ


def test_weight_decay_and_rates_of_groups_are_the_optimizers():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = Valley((1.0,)), Valley((0.1,))

        def forward(self, inputs):
            return torch.cat([self.one(inputs), self.other(inputs)], 1)

    model = Two()
    optimizer = torch.optim.SGD(
        [
            {"params": model.one.parameters(), "lr": 0.2, "weight_decay": 0.1},
            {"params": model.other.parameters(), "lr": 0.6},
        ],
        momentum=0.9,
    )
    found = find(model, half_square, ONE, optimizer=optimizer, budget=400)
    assert any(math.isclose(trial.pair.step, 2.0) for trial in found.trials)  # where it begins
    for trial in found.trials:
        lr, momentum = trial.pair.lr, trial.pair.momentum
        exact = loss_by_hand(lr, momentum, trial.horizon, curvatures=(1.0,), decay=0.1)
        exact += loss_by_hand(3 * lr, momentum, trial.horizon, curvatures=(0.1,))
        assert trial.loss == pytest.approx(exact, rel=1e-6)


def test_adam_is_found_a_first_beta():
    model = Valley()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.8, 0.99))
    found = find(model, half_square, ONE, optimizer=optimizer, budget=600)
    assert found.measured.step == found.lr  # an average takes steps as long as its learning rate
    assert found.loss < 0.1 * found.start
    assert optimizer.state == {}
    again = torch.optim.Adam(model.parameters(), lr=found.lr, betas=(found.momentum, 0.99))
    for step in range(found.horizons[1]):
        share = step / found.horizons[1]
        again.param_groups[0]["lr"] = found.lr * 0.5 * (1 + math.cos(math.pi * share))
        again.zero_grad()
        half_square(model(ONE[0]), ONE[1]).backward()
        again.step()
    assert half_square(model(ONE[0]), ONE[1]).item() == pytest.approx(found.loss, rel=1e-9)


def noisy(seed=0, examples=512):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(examples, 6, generator=generator)
    y = x[:, :1].sin() + 0.5 * torch.randn(examples, 1, generator=generator)
    return DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)


def regression(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), *layers, nn.Linear(16, 1))


def test_pairs_as_good_and_the_cost_are_told():
    found = find(regression(), F.mse_loss, noisy(), budget=900, steps=20_000)
    assert found.measured in found.as_good
    assert len(found.as_good) > 1  # minibatches of 8 with half noise tell no neighbours apart
    low, high = found.momenta
    assert low <= found.measured.momentum <= high
    assert found.noise > 0
    assert 0.6 * 900 < found.evaluations <= 901  # what is left is too little for a run
    text = str(found)
    assert "for 20,000 steps: carried on from" in text
    assert f"Cost: {found.evaluations} gradient evaluations, {found.evaluations / 2e4:.1%}" in text


def test_the_step_is_carried_on_to_the_steps_of_the_training():
    near, far = (
        find(Valley(), half_square, ONE, budget=250, steps=steps) for steps in (10, 100_000)
    )
    assert near.pair == near.measured
    assert far.measured == near.measured
    assert far.momentum == far.measured.momentum
    ratio = far.pair.step / far.measured.step
    assert ratio == pytest.approx((100_000 / far.horizons[1]) ** -0.25)
    at_given = find(Valley(), half_square, ONE, 0.1, budget=250, steps=100_000)
    assert at_given.pair == at_given.measured  # longer runs have room for more momentum


@pytest.mark.parametrize("lr", [None, 0.1])
def test_a_training_that_is_shorter_than_the_runs_is_told(lr):
    found = find(Valley(), half_square, ONE, lr, budget=300, steps=1)
    told = " ".join(str(found).split())
    assert found.pair == found.measured
    assert f"Training has 1 step left: what is best for {found.horizons[1]} is not best f" in told
    assert f"evaluations, {found.evaluations} times the training, " in told
    assert "Training has 2 steps left" in " ".join(str(replace(found, steps=2)).split())
    enough = str(replace(found, steps=found.horizons[1]))
    assert "Training has" not in enough


def test_a_cost_that_is_next_to_nothing_is_not_told_as_nothing():
    found = replace(find(Valley(), half_square, ONE, budget=250, steps=100), steps=10**9)
    assert "evaluations, below 0.1% of the training, " in " ".join(str(found).split())


def test_where_noise_hides_what_differs_it_is_told():
    found = find(Valley(), half_square, ONE, budget=250)
    assert found.ok
    assert not found.unresolved
    every = tuple(trial.pair for trial in found.long_trials)
    hidden = replace(found, as_good=every, noise=0.1, margin=0.2)
    assert hidden.unresolved
    assert f"budget={4 * found.evaluations:,}" in " ".join(str(hidden).split())
    lost = replace(found, noise=1.0, margin=found.start)
    assert not lost.ok
    assert str(lost).startswith("Keep what has served: none of ")


def test_of_a_loss_of_noise_alone_nothing_is_made():
    drawn = torch.Generator().manual_seed(0)

    def loss(outputs, targets):
        return outputs.mean() * 1e-6 + torch.randn((), generator=drawn)

    found = find(regression(), loss, noisy(), 0.1, budget=400)
    assert len(found.as_good) > 1
    assert not found.ok


def test_where_training_is_under_way_it_is_told():
    model = Valley()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    assert not find(model, half_square, ONE, optimizer=optimizer, budget=250).under_way
    half_square(model(ONE[0]), ONE[1]).backward()
    optimizer.step()
    found = find(model, half_square, ONE, optimizer=optimizer, budget=250)
    assert found.under_way
    assert "Training is under way" in str(found)


def test_progress_is_told_up_to_the_end():
    told = []
    found = find(Valley(), half_square, ONE, budget=400, progress=lambda *each: told.append(each))
    spent = [done for done, _ in told]
    assert spent == sorted(spent)
    assert told[0][1] == 400
    assert told[-1] == (found.evaluations, found.evaluations)


def test_a_figure_shows_every_long_run(tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    for given in (None, 0.1):
        found = find(Valley(), half_square, ONE, given, budget=250, steps=1000)
        figure = found.figure(tmp_path / "found.png")
        assert (tmp_path / "found.png").stat().st_size > 10_000
        written = [text.get_text() for text in figure.axes[0].texts]
        assert written == [
            f"{trial.loss:.3g}" if math.isfinite(trial.loss) else "diverged"
            for trial in found.long_trials
        ]


def test_momenta_whose_memory_does_not_fit_are_left_out():
    found = find(Valley(), half_square, ONE, budget=700)
    for trial in found.trials:
        assert 3 / (1 - trial.pair.momentum) <= trial.horizon * (1 + 1e-9)
    assert COMPLEMENTS[0] == 1.0
