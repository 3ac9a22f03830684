"""Draws of label noise: they can be reproduced, and differ where they should."""

import pickle
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

from flatfast.torch import LabelFlips, LabelNoise

pytestmark = pytest.mark.usefixtures("double")

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


@pytest.mark.gpu
def test_it_draws_on_the_device_of_the_targets(kind):
    make, targets = kind
    assert make(0)(targets.cuda()).device.type == "cuda"
