"""Label noise on labels of every kind, and what is refused."""

import pytest
import torch
from torch.nn import functional as F

from flatfast.torch import LabelFlips, LabelNoise

pytestmark = pytest.mark.usefixtures("double")


@pytest.mark.parametrize("ignored", [-100, -1, 255, 3])
@pytest.mark.parametrize("shape", [(3000,), (30, 100), (3, 10, 100)])
def test_a_label_that_the_loss_ignores_stays_so(ignored, shape):
    labels = torch.arange(3000).reshape(shape) % 3
    labels[..., ::3] = ignored
    logits, classes = torch.zeros(shape[0], 4, *shape[1:]), 4 if ignored == 3 else 3
    flipped = LabelFlips(0.5, classes, ignore_index=ignored)(labels)
    assert torch.equal(flipped == ignored, labels == ignored)
    kept = labels != ignored
    assert (flipped != labels)[kept].double().mean().item() == pytest.approx(0.5, abs=0.05)
    assert set(flipped[kept].tolist()) == {0, 1, 2}
    losses = F.cross_entropy(logits, flipped, ignore_index=ignored, reduction="none")
    assert torch.equal(losses != 0, kept)


INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_flips_of_every_integer_type_are_those_of_the_longest(dtype):
    classes = 120  # so that label and shift together do not fit into eight bits
    labels = torch.arange(2400) % classes
    flipped = LabelFlips(0.5, classes)(labels.to(dtype))
    assert flipped.dtype == dtype
    assert torch.equal(flipped.long(), LabelFlips(0.5, classes)(labels))


def test_flips_of_yes_or_no():
    labels = torch.tensor([[True, False, True, False]] * 3000)
    flipped = LabelFlips(0.2, classes=2)(labels)
    assert flipped.dtype == torch.bool
    torch.testing.assert_close(
        (flipped ^ labels).double().mean(0), torch.full((4,), 0.2), atol=0.03, rtol=0
    )


def test_no_labels_at_all():
    assert LabelFlips(0.5, 3)(torch.zeros(0, dtype=torch.long)).shape == (0,)
    assert LabelNoise(0.5, classes=3)(torch.zeros(0, dtype=torch.long)).shape == (0, 3)


@pytest.mark.parametrize(
    ("make", "labels", "error", "message"),
    [
        (
            lambda: LabelFlips(0.1, 10),
            [3, 10],
            ValueError,
            r"or ignore_index = -100, got 10",
        ),
        (lambda: LabelFlips(0.1, 10), [3, -1], ValueError, "got -1"),
        (lambda: LabelFlips(0.1, 200), torch.zeros(3, dtype=torch.int8), TypeError, "hold 128 cla"),
        (lambda: LabelFlips(0.1, 3), torch.zeros(3, dtype=torch.bool), TypeError, "hold 2 classes"),
        (lambda: LabelFlips(0.1, 3), torch.eye(3), TypeError, "class probabilities or soft labels"),
        (lambda: LabelFlips(0.1, 3), torch.eye(3) * 1j, TypeError, "labels must be integers"),
        (lambda: LabelFlips(0.1, 3), {"y": 1}, TypeError, "targets must be a tensor, got dict"),
        (
            lambda: LabelNoise(0.1, 10),
            [3, -100],
            ValueError,
            r"be in \[0, 10\), got -100",
        ),
        (lambda: LabelNoise(0.1, 3), torch.eye(3), TypeError, "one-hot rows and class probabiliti"),
    ],
)
def test_labels_that_are_none_are_named(make, labels, error, message):
    noise = make()
    with pytest.raises(error, match=message):
        noise(torch.tensor(labels) if isinstance(labels, list) else labels)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_targets_keep_their_type(dtype):
    assert LabelNoise(0.1)(torch.zeros(5, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelNoise(-0.1), r"std must be at least 0 and finite, got -0\.1"),
        (lambda: LabelNoise(float("nan")), "std must be at least 0 and finite, got nan"),
        (lambda: LabelNoise(0.1, classes=1), "classes must be at least 2, got 1"),
        (lambda: LabelNoise(0.1, seed=-1), "seed must be at least 0, got -1"),
        (lambda: LabelFlips(1.1, 10), r"probability must be in \[0, 1\], got 1\.1"),
        (lambda: LabelFlips(0.1, 1), "classes must be at least 2, got 1"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_integer_targets_need_classes():
    with pytest.raises(TypeError, match=r"labels need LabelNoise\(std, classes=...\)"):
        LabelNoise(0.1)(torch.arange(3))


def test_flips_need_integers():
    with pytest.raises(TypeError, match=r"labels must be integers, got torch\.float64"):
        LabelFlips(0.1, 3)(torch.zeros(3))


def test_labels_that_cannot_be_looked_at_show_in_the_loss(monkeypatch):
    """As on an accelerator, where a look would make the host wait."""
    monkeypatch.setattr("flatfast.torch.label_noise.check_labels", lambda *_: None)
    labels = torch.tensor([0, 1, 2, 7, -1])
    assert LabelFlips(1.0, 3)(labels)[3:].tolist() == [7, -1]
    rows = LabelNoise(0.1, classes=3)(labels)
    assert rows.isnan().all(1).tolist() == [False, False, False, True, True]
