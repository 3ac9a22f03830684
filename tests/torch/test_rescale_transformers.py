"""The callback that carries a tuned setting to a Transformers trainer's batch."""

import pytest
import torch

pytest.importorskip("transformers", reason="needs the transformers extra")

from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError
from flatfast.torch.transformers import CoupledMomentum, RescaleBatch
from tests.torch.test_transformers import SAVED, data, trained

STEPS = 6
LR = 0.2
BATCH = 4  # of each device
OPTIONS = {"max_steps": STEPS, "lr_scheduler_type": "linear", "warmup_steps": 2}


def used(tmp_path, *callbacks, **options):
    return trained(tmp_path, *callbacks, **{**OPTIONS, **options})


def assert_pairs(found, wanted):
    assert found == [pytest.approx(pair, rel=1e-9) for pair in wanted]


@pytest.mark.parametrize("accumulate", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_every_step_is_that_of_the_trainers_batch(tmp_path, accumulate):
    options = {"gradient_accumulation_steps": accumulate, "optim": "adamw_torch"}
    _, plain = used(tmp_path, **options)
    callback = RescaleBatch(2, rule="adam-sde")
    _, ours = used(tmp_path, callback, **options)
    k = BATCH * accumulate / 2
    assert plain[0][0] == 0.0  # the warm-up's first step
    assert_pairs(ours, [(k**0.5 * lr, 0.9**k) for lr, _ in plain])
    settings = callback.rescaled[0]
    assert all(setting.lr == pytest.approx(k**0.5 * LR) for setting in settings)
    assert all(setting.betas[1] == pytest.approx(0.999**k) for setting in settings)


def test_a_batch_that_is_given(tmp_path):
    _, plain = used(tmp_path)
    _, ours = used(tmp_path, RescaleBatch(4, rule="linear", batch=12))
    assert_pairs(ours, [(3 * lr, momentum) for lr, momentum in plain])


@pytest.mark.parametrize("saved_by", ["rescaled", pytest.param("tuned", marks=pytest.mark.slow)])
def test_training_goes_on_from_a_checkpoint_of_before_or_after(tmp_path, saved_by):
    _, plain = used(tmp_path, **SAVED)
    folder = tmp_path / "first"
    first = [RescaleBatch(2, rule="linear")] if saved_by == "rescaled" else []
    used(folder, *first, **SAVED)
    callback = RescaleBatch(2, rule="linear")
    _, ours = used(tmp_path, callback, resume=str(folder / "checkpoint-5"), **SAVED)
    assert_pairs(ours, [(2 * lr, momentum) for lr, momentum in plain[5:]])


def test_training_goes_on_with_another_batch(tmp_path):
    _, plain = used(tmp_path, **SAVED)
    used(tmp_path, RescaleBatch(2, rule="linear"), **SAVED)
    callback = RescaleBatch(2, rule="linear")
    _, ours = used(
        tmp_path,
        callback,
        resume=str(tmp_path / "checkpoint-5"),
        gradient_accumulation_steps=2,
        ignore_data_skip=True,
        **SAVED,
    )
    assert_pairs(ours, [(4 * lr, momentum) for lr, momentum in plain[5:]])


def test_a_trainer_that_trains_again_is_not_rescaled_twice(tmp_path):
    trainer, ours = used(tmp_path, RescaleBatch(2, rule="linear"))
    trainer.train()
    assert len(ours) == 2 * STEPS
    assert ours[STEPS:] == ours[:STEPS]


@pytest.mark.parametrize("order", [1, -1])
def test_a_coupled_optimizer_follows_the_law_of_the_batch(tmp_path, order):
    law = MomentumLaw(0.5)
    parts = [CoupledMomentum(C=0.5), RescaleBatch(2, rule="law")]
    _, ours = used(tmp_path, *parts[::order], lr_scheduler_type="cosine")
    assert_pairs(ours, [(lr, law.for_batch(2)(lr)) for lr, _ in ours])
    parts = [CoupledMomentum(C=0.5), RescaleBatch(2, rule="path")]
    with pytest.raises(MomentumConflictError, match="the rule must be 'law', got 'path'"):
        used(tmp_path, *parts[::order])


def test_data_without_a_batch_size(tmp_path, monkeypatch):
    from transformers import Trainer

    class Batches(torch.utils.data.Dataset):
        """Whole batches."""

        def __len__(self):
            return 3

        def __getitem__(self, index):
            rows = data()[4 * index : 4 * index + 4]
            return {name: torch.stack([row[name] for row in rows]) for name in ("x", "labels")}

    loader = torch.utils.data.DataLoader(Batches(), batch_size=None)
    monkeypatch.setattr(Trainer, "get_train_dataloader", lambda self: loader)
    with pytest.raises(ValueError, match=r"DataLoader, have no batch size. Give them"):
        used(tmp_path, RescaleBatch(2, rule="linear"))
    _, ours = used(tmp_path, RescaleBatch(2, rule="linear", batch=4))
    assert max(lr for lr, _ in ours) == pytest.approx(2 * LR)
