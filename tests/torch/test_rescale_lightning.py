"""The callback that carries a tuned setting to a Lightning Trainer's batch, in tiny fits."""

import pytest
import torch

pytest.importorskip("lightning", reason="needs the lightning extra")

from lightning.pytorch import callbacks
from lightning.pytorch.callbacks import Callback, GradientAccumulationScheduler
from torch.utils.data import DataLoader, TensorDataset

from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError
from flatfast.torch.lightning import CoupledMomentum, RescaleBatch
from tests.torch.lightning_fit import Regression, data, trainer

pytestmark = pytest.mark.usefixtures("quiet_lightning")

LR, MOMENTUM = 0.2, 0.3
BATCH = 4  # of the data's loader
LINEAR = {"rule": "linear"}


def used(tmp_path, *given, model=None, load=None, loader=None, **options):
    model = model or Regression()
    fit = trainer(tmp_path, *given, **options)
    more = {} if load is None else {"ckpt_path": load, "weights_only": False}
    fit.fit(model, data() if loader is None else loader, **more)
    return model.used, fit


def assert_pairs(found, wanted):
    assert list(found) == [pytest.approx(pair, rel=1e-9) for pair in wanted]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_every_step_is_that_of_the_trainers_batch(tmp_path, accumulate):
    plain, _ = used(tmp_path, accumulate_grad_batches=accumulate)
    callback = RescaleBatch(reference_batch=2, rule="path")
    with pytest.warns(UserWarning, match="longer than the memory of momentum"):
        ours, _ = used(tmp_path, callback, accumulate_grad_batches=accumulate)
    k = BATCH * accumulate / 2
    factor = k * (1 - MOMENTUM**k) / (1 - MOMENTUM)
    assert len(ours) >= 4
    assert_pairs(ours, [(factor * lr, MOMENTUM**k) for lr, _ in plain])
    ((setting,),) = callback.rescaled
    assert setting.momentum == pytest.approx(MOMENTUM**k)
    assert setting.lr == pytest.approx(factor * LR)


def test_devices_count(tmp_path):
    class TwoDevices(Callback):
        """What strategies of several processes say."""

        def on_fit_start(self, trainer, pl_module):
            trainer.strategy.distributed_sampler_kwargs = {"num_replicas": 2, "rank": 0}

    ours, _ = used(tmp_path, TwoDevices(), RescaleBatch(BATCH, **LINEAR))
    assert ours[0] == pytest.approx((2 * LR, MOMENTUM))


def test_a_batch_that_is_given(tmp_path):
    ours, _ = used(tmp_path, RescaleBatch(BATCH, batch=12, **LINEAR))
    assert ours[0] == pytest.approx((3 * LR, MOMENTUM))


def test_several_optimizers_of_manual_optimization(tmp_path):
    class Manual(Regression):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch):
            """None."""

        def configure_optimizers(self):
            halves = [layer.parameters() for layer in (self.net[0], self.net[2])]
            made = [self.make(half) for half in halves]
            return made, [torch.optim.lr_scheduler.ExponentialLR(each, 0.5) for each in made]

    fit = trainer(tmp_path, RescaleBatch(2, batch=8, **LINEAR), max_epochs=1)
    fit.fit(Manual(), data())
    assert [each.param_groups[0]["lr"] for each in fit.optimizers] == [pytest.approx(4 * LR)] * 2
    bases = [config.scheduler.base_lrs for config in fit.lr_scheduler_configs]
    assert bases == [[pytest.approx(4 * LR)]] * 2


class Save(Callback):
    """Saves after the second epoch, and may stop there."""

    def __init__(self, path, stop=False):
        self.path, self.stop = path, stop

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = self.stop


@pytest.mark.parametrize("saved_by", ["rescaled", "tuned"])
def test_a_fit_goes_on_from_a_checkpoint_of_before_or_after(tmp_path, saved_by):
    plain, _ = used(tmp_path)
    path = tmp_path / "kept.ckpt"
    first = [RescaleBatch(2, **LINEAR)] if saved_by == "rescaled" else []
    used(tmp_path, Save(path, stop=True), *first, min_epochs=1)
    ours, _ = used(tmp_path, RescaleBatch(2, **LINEAR), load=path)
    assert_pairs(ours, [(2 * lr, MOMENTUM) for lr, _ in plain[-len(ours) :]])
    assert len(ours) == 6


def test_a_fit_goes_on_with_another_batch(tmp_path):
    plain, _ = used(tmp_path)
    path = tmp_path / "kept.ckpt"
    used(tmp_path, Save(path, stop=True), RescaleBatch(2, **LINEAR), min_epochs=1)
    halved = [DataLoader(data().dataset, batch_size=2)]
    ours, _ = used(tmp_path, RescaleBatch(2, **LINEAR), load=path, loader=halved[0])
    assert ours[0] == pytest.approx((plain[6][0], MOMENTUM))


def test_accumulation_that_changes_is_followed(tmp_path):
    for order in (1, -1):
        parts = [RescaleBatch(BATCH, **LINEAR), GradientAccumulationScheduler({1: 3})]
        ours, _ = used(tmp_path, *parts[::order], max_epochs=2)
        # Three steps of one batch, then one of three: the schedule goes on.
        assert_pairs(
            ours, [*((LR * 0.9**i, MOMENTUM) for i in range(3)), (3 * LR * 0.9**3, MOMENTUM)]
        )


@pytest.mark.skipif(
    not hasattr(callbacks, "EMAWeightAveraging"), reason="this Lightning averages no weights"
)
def test_averaged_weights(tmp_path):
    average = callbacks.EMAWeightAveraging(decay=0.9)
    used(tmp_path, average, RescaleBatch(2, **LINEAR), max_epochs=1)
    function = average._average_model.avg_fn
    kept = function(torch.tensor(1.0), torch.tensor(0.0), 1)
    assert float(kept) == pytest.approx(0.9**2)


@pytest.mark.parametrize("order", [1, -1])
def test_coupled_optimizers_follow_the_law_of_the_batch(tmp_path, order):
    law = MomentumLaw(0.5)
    parts = [CoupledMomentum(C=0.5), RescaleBatch(2, rule="law")]
    ours, _ = used(tmp_path, *parts[::order])
    assert_pairs(ours, [(lr, law.for_batch(2)(lr)) for lr, _ in ours])
    parts = [CoupledMomentum(C=0.5), RescaleBatch(2, rule="path")]
    with pytest.raises(MomentumConflictError, match="the rule must be 'law', got 'path'"):
        used(tmp_path, *parts[::order])


def test_where_the_batch_is_not_known(tmp_path):
    loaders = {"one": data(), "two": data()}
    with pytest.raises(ValueError, match=r"the training data, dict, have no batch_size. Give them"):
        used(tmp_path, RescaleBatch(2, rule="path"), loader=loaders)

    class Manual(Regression):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

    with pytest.raises(ValueError, match="with manual optimization a step is what the module"):
        used(tmp_path, RescaleBatch(2, rule="path"), model=Manual())

    class Sampled(torch.utils.data.Sampler):
        """Batches of its own."""

        def __iter__(self):
            yield from ([0, 1], [2, 3, 4])

        def __len__(self):
            return 2

    own = DataLoader(TensorDataset(*data().dataset.tensors), batch_sampler=Sampled())
    with pytest.raises(ValueError, match="DataLoader, have no batch_size"):
        used(tmp_path, RescaleBatch(2, rule="path"), loader=own)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), ValueError, "batch must be positive and finite, got 0"),
        (("256",), TypeError, "reference_batch must be a positive number of examples, got '256'"),
        ((256, "cubic"), ValueError, "rule must be one of measured, path"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        RescaleBatch(*arguments)
    with pytest.raises(ValueError, match="batch must be positive and finite, got -4"):
        RescaleBatch(256, batch=-4, rule="path")
