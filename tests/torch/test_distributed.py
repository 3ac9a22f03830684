"""Two processes train as one: momentum is a function of the learning rate, so ranks agree."""

import copy
import warnings
from dataclasses import replace

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import LabelFlips, LabelNoise, calibrate, couple
from flatfast.torch.callback import Follower

STEPS, RANKS = 20, 2
WAYS = [(how, ours) for how in ("DDP", "FSDP2") for ours in (False, True)]

pytestmark = pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()),
    reason="needs torch.distributed with gloo",
)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).double()


def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(8, 4, generator=generator, dtype=torch.float64)
    return x, x[:, :2].sin()


def train(network, x, y, ours):
    """The weights after some steps of a decaying learning rate."""
    if ours:
        optimizer = flatfast.torch.SGD(network.parameters(), lr=0.2, C=0.5)
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9)
        couple(optimizer, MomentumLaw(C=0.5))
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (network(x) - y).square().mean().backward()
        optimizer.step()
        schedule.step()
    return optimizer.param_groups[0]["momentum"], [p.detach() for p in network.parameters()]


def process(rank, folder):
    """All that two processes do, so that they are started once."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS
    )
    for how, ours in WAYS:
        told = train_as_one(rank, how, ours)
        torch.save(told, f"{folder}/{how}-{ours}-{rank}.pt")
    torch.save(calibrated(rank), f"{folder}/calibration-{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


def train_as_one(rank, how, ours):
    """Momentum, whole weights, and what the rank's label noise drew."""
    network = model()
    if how == "DDP":
        network = DistributedDataParallel(network)
    else:
        mesh = distributed.device_mesh.init_device_mesh("cpu", (RANKS,))
        for layer in network:
            fully_shard(layer, mesh=mesh)
        fully_shard(network, mesh=mesh)
    x, y = (part[rank::RANKS] for part in data())
    momentum, weights = train(network, x, y, ours)
    whole = [w.full_tensor() if hasattr(w, "full_tensor") else w for w in weights]
    labels = torch.arange(40) % 10
    drawn = [LabelNoise(1.0)(torch.zeros(5)), LabelFlips(0.5, 10)(labels)]
    return momentum, whole, drawn


def calibrated(rank):
    """What the rank is told by calibrations of each kind, and its weights after."""
    network = DistributedDataParallel(model().float())
    x, y = (part[rank::RANKS].float() for part in data())
    noise = LabelNoise(0.3)

    def loss(outputs, targets):
        return (outputs - noise(targets)).square().mean()

    own = calibrate(network, loss, (x, y), 0.01)
    alone = calibrate(network, loss, (x, y), 0.01, batches_per_step=1)
    # Whether it counts as near the manifold is not the question here.
    measured = replace(own, doubts=())
    optimizer = flatfast.torch.SGD(
        network.parameters(), lr=0.01, C="auto", measure=lambda lr: measured
    )
    for _ in range(3):
        optimizer.zero_grad()
        loss(network(x), y).backward()
        optimizer.step()
    follower = Follower(calibrate=lambda *_: measured)
    follower.start([torch.optim.SGD(network.parameters(), lr=0.01)], 10, network, None)
    weights = [p.detach() for p in network.parameters()]
    return own.C, own.noise, alone.noise, optimizer.auto.prefactor, follower.C, weights


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Name to what each rank told.

    Nothing is judged in the processes. On a busy machine they have failed to meet, about once in
    ten: a second failure is one.
    """
    folder = tmp_path_factory.mktemp("ranks")
    try:
        multiprocessing.spawn(process, (str(folder),), nprocs=RANKS)
    except Exception as error:
        warnings.warn(f"the processes are started again: {error}", stacklevel=1)
        folder = tmp_path_factory.mktemp("ranks")
        multiprocessing.spawn(process, (str(folder),), nprocs=RANKS)
    return lambda name: [torch.load(folder / f"{name}-{rank}.pt") for rank in range(RANKS)]


def test_processes_agree_on_a_calibration(told):
    first, second = told("calibration")
    assert first[0] != second[0]  # each has data and noise of its own
    assert first[1] == pytest.approx(first[2] / RANKS)
    assert first[3] == second[3] == pytest.approx(first[0])
    assert first[4] == second[4] == first[0]
    for one, two in zip(first[5], second[5], strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(("how", "ours"), WAYS)
def test_two_processes_train_as_one(told, how, ours):
    first, second = told(f"{how}-{ours}")
    momentum, alone = train(model(), *data(), ours)
    assert first[0] == second[0] == momentum == MomentumLaw(C=0.5)(0.2 * 0.9 ** (STEPS - 1))
    for one, two, single in zip(first[1], second[1], alone, strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, single, rtol=1e-10, atol=1e-12)
    for noise_of_first, noise_of_second in zip(first[2], second[2], strict=True):
        assert not torch.equal(noise_of_first, noise_of_second)


def test_an_optimizer_whose_state_is_sharded(tmp_path):
    """One process: what is looked at is the wrapper, whose groups and shard's go their own ways."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        weights, counted = [], []
        for sharded in (True, False):
            network = model()
            if sharded:
                optimizer = ZeroRedundancyOptimizer(
                    network.parameters(), torch.optim.SGD, lr=0.2, momentum=0.9
                )
            else:
                optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9)
            couple(optimizer, MomentumLaw(C=0.5), total_steps=40)
            schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
            x, y = data()
            for step in range(10):
                if step == 5:
                    if sharded:
                        optimizer.consolidate_state_dict()
                    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
                optimizer.zero_grad()
                (network(x) - y).square().mean().backward()
                optimizer.step()
                schedule.step()
            (group, *_) = optimizer.param_groups
            assert group["momentum"] == pytest.approx(MomentumLaw(C=0.5)(0.2 * 0.9**9), rel=1e-12)
            weights.append([p.detach() for p in network.parameters()])
            counted.append(group["coupled_steps"])
    finally:
        distributed.destroy_process_group()
    assert all(torch.equal(one, two) for one, two in zip(*weights, strict=True))
    assert counted == [10, 10]
