"""Two processes train as one: momentum is a function of the learning rate, so ranks agree."""

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import LabelFlips, LabelNoise, couple

STEPS, RANKS = 20, 2

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


def process(rank, folder, how, ours):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS
    )
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
    torch.save((momentum, whole, drawn), f"{folder}/rank{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.mark.parametrize("how", ["DDP", "FSDP2"])
@pytest.mark.parametrize("ours", [False, True], ids=["couple", "flatfast SGD"])
def test_two_processes_train_as_one(tmp_path, how, ours):
    multiprocessing.spawn(process, (str(tmp_path), how, ours), nprocs=RANKS)
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in range(RANKS))
    momentum, alone = train(model(), *data(), ours)
    assert first[0] == second[0] == momentum == MomentumLaw(C=0.5)(0.2 * 0.9 ** (STEPS - 1))
    for one, two, single in zip(first[1], second[1], alone, strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, single, rtol=1e-10, atol=1e-12)
    for noise_of_first, noise_of_second in zip(first[2], second[2], strict=True):
        assert not torch.equal(noise_of_first, noise_of_second)
