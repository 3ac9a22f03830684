"""Noise that a data set draws: its batches are loaded twice, whatever loads them."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from flatfast.calibration import Verdict
from flatfast.torch import LabelNoise, calibrate
from flatfast.torch.batches import Batches
from flatfast.torch.reloading import twice
from tests.torch.calibrated import INDEX, ZEROS, Pairs, half_square

STD = 0.3
CPU = torch.device("cpu")


class Drawn(Dataset):
    """Targets whose noise is drawn when an example is loaded, by one of three generators."""

    def __init__(self, by="torch", length=40):
        self.by, self.length, self.loaded = by, length, 0

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.loaded += 1
        draw = {
            "torch": lambda: torch.randn(()),
            "numpy": lambda: torch.tensor(np.random.randn(), dtype=torch.float32),  # noqa: NPY002
            "python": lambda: torch.tensor(random.gauss(0, 1)),
        }[self.by]
        return INDEX[index], ZEROS[index] + STD * draw()


class Cached(Drawn):
    def __init__(self):
        super().__init__()
        self.kept = {}

    def __getitem__(self, index):
        return self.kept.setdefault(index, super().__getitem__(index))


class Streamed(IterableDataset):
    def __iter__(self):
        return ((INDEX[k], ZEROS[k] + STD * torch.randn(())) for k in range(40))


def measured(data, noise=0.0, **options):
    return calibrate(Pairs(), half_square(LabelNoise(noise)), data, 1e-3, budget=400, **options)


@pytest.mark.parametrize("by", ["torch", "numpy", "python"])
def test_what_the_data_set_draws_is_label_noise_like_any_other(by):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - what the data set draws from
    random.seed(0)
    ours = measured(DataLoader(Drawn(by), 10, shuffle=True))
    theirs = measured(DataLoader(torch.utils.data.TensorDataset(INDEX, ZEROS), 10), noise=STD)
    assert ours.ok, str(ours)
    apart = np.hypot(ours.noise.relative, theirs.noise.relative)
    assert np.log(ours.noise / theirs.noise) == pytest.approx(0, abs=4 * apart)


def seeded(worker):
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


@pytest.mark.parametrize("options", [{"worker_init_fn": seeded}, {"persistent_workers": True}])
def test_workers_draw_each_look_anew(options):
    loader = DataLoader(Drawn(), 20, num_workers=2, **options)
    batches = Batches(loader, CPU)
    one, again = batches.two()
    assert torch.equal(one[0], again[0])
    assert not torch.equal(one[1], again[1])


def test_samplers_of_batches_and_of_examples_come_twice():
    for loader in (
        DataLoader(Drawn(), batch_sampler=[[3, 5], [7]]),
        DataLoader(Drawn(), batch_size=None, sampler=[3, 5]),
    ):
        indices = [batch[0].tolist() for batch in twice(loader)]
        assert indices[::2] == indices[1::2]
        assert len(indices) == 4


class Repeating(DataLoader):
    def __iter__(self):
        return iter([next(super().__iter__())] * 3)


@pytest.mark.parametrize(
    "data",
    [
        [(INDEX, ZEROS)],
        DataLoader(Streamed(), 10),
        Repeating(Drawn(), 10),
    ],
)
def test_what_cannot_be_loaded_again_is_looked_at_twice(data):
    batches = Batches(data, CPU)
    one, again = batches.two()
    assert one is again
    assert not batches.reloads


def test_a_stream_that_draws_is_told_what_to_give():
    told = {doubt.verdict: doubt.message for doubt in measured(DataLoader(Streamed(), 10)).doubts}
    assert "not seen: give a DataLoader of a map-style" in told[Verdict.NO_LASTING_NOISE]


def test_a_cache_that_keeps_what_was_drawn_has_no_lasting_noise():
    data = Cached()
    for index in range(40):
        data[index]
    found = measured(DataLoader(data, 10))
    assert Verdict.NO_LASTING_NOISE in [doubt.verdict for doubt in found.doubts]
    assert "not seen" not in str(found)


def test_generators_are_put_back():
    generator = torch.Generator().manual_seed(5)
    loader = DataLoader(Drawn(), 10, shuffle=True, generator=generator)
    states = generator.get_state(), torch.get_rng_state(), random.getstate()
    measured(loader)
    assert torch.equal(states[0], generator.get_state())
    assert torch.equal(states[1], torch.get_rng_state())
    assert states[2] == random.getstate()
