"""A calibration leaves everything as it was: model, loader, random numbers, memory."""

import copy
import gc
import multiprocessing
import random
import weakref
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from flatfast.torch import LabelNoise, calibrate
from flatfast.torch.batches import pair
from flatfast.torch.calibration import landscape_of
from flatfast.torch.landscape import ModelLandscape
from tests.torch.calibrated import INDEX, ZEROS, Pairs, classes, half_square, network, trained


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


@pytest.mark.parametrize("seedable", [pytest.param(False, marks=pytest.mark.slow), True])
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


def test_moved_weights_are_read_under_autocast():
    """A look ahead moves them; autocast would go on with the copies of before."""
    model, data = network(), classes()
    params = list(model.parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with landscape_of(model, F.cross_entropy, data, params, pair) as landscape:
            before = landscape.reading(0)
            landscape.moved(torch.cat([-0.5 * p.detach().flatten() for p in params]))
            assert landscape.reading(0) < 0.7 * before
        assert torch.is_autocast_cache_enabled()
