"""Fits that begin with a calibration."""

import pytest
import torch

pytest.importorskip("lightning", reason="needs the lightning extra")


from flatfast import MomentumLaw
from flatfast.calibration import CalibrationError
from flatfast.torch.lightning import CoupledMomentum
from tests.made_up import made_up_calibration
from tests.torch.assertions import assert_pairs_follow
from tests.torch.lightning_fit import Regression, data, trainer

pytestmark = pytest.mark.usefixtures("quiet_lightning")


class Measured:
    """Stands for a calibration: what it was asked, and a prefactor that depends on the weights."""

    def __init__(self):
        self.asked = []

    def __call__(self, model, loader, lr):
        self.asked.append((model, len(list(loader)), lr))
        weight = float(model.net[0].weight.detach().abs().sum())
        return made_up_calibration(C=0.3 + 0.01 * weight, lr=lr)


def test_a_fit_begins_with_a_calibration(tmp_path):
    measured, model = Measured(), Regression()
    callback = CoupledMomentum(calibrate=measured)
    trainer(tmp_path, callback).fit(model, data())
    ((asked, batches, lr),) = measured.asked
    assert asked is model
    assert batches == 3
    assert lr == 0.2
    assert_pairs_follow(model.used, MomentumLaw(callback.state_dict()["C"]))


def test_a_resumed_fit_keeps_its_calibration(tmp_path):
    unbroken = Regression()
    trainer(tmp_path, CoupledMomentum(calibrate=Measured())).fit(unbroken, data())

    class Break(CoupledMomentum):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "broken.ckpt")
                trainer.should_stop = True

        @property
        def state_key(self):
            return "CoupledMomentum"

    trainer(tmp_path, Break(calibrate=Measured()), min_epochs=1).fit(Regression(), data())
    again, resumed = Measured(), Regression()
    fit = trainer(tmp_path, CoupledMomentum(calibrate=again))
    fit.fit(resumed, data(), ckpt_path=tmp_path / "broken.ckpt", weights_only=False)
    assert not again.asked
    assert 0 < len(resumed.used) < len(unbroken.used)
    assert resumed.used == unbroken.used[-len(resumed.used) :]


def test_one_callback_calibrates_each_of_two_fits(tmp_path):
    measured = Measured()
    callback = CoupledMomentum(calibrate=measured)
    for lr in (0.2, 0.05):
        model = Regression(lambda p, lr=lr: torch.optim.SGD(p, lr=lr))
        trainer(tmp_path, callback, max_epochs=1).fit(model, data())
        assert_pairs_follow(model.used, MomentumLaw(callback.state_dict()["C"]))
    assert [lr for _, _, lr in measured.asked] == [0.2, 0.05]


def test_a_fit_without_a_law_to_be_had_does_not_begin(tmp_path):
    def refused(model, loader, lr):
        return made_up_calibration(C=0.3, lr=lr, doubt="no lasting noise")

    with pytest.raises(CalibrationError, match="no lasting noise: as made up"):
        trainer(tmp_path, CoupledMomentum(calibrate=refused)).fit(Regression(), data())


def test_a_fit_whose_calibration_had_too_few_gradients_says_so(tmp_path):
    def short(model, loader, lr):
        return made_up_calibration(C=0.3, lr=lr, doubt="signal below its error")

    with pytest.raises(CalibrationError, match=r"^nothing is known yet, 120 gradient"):
        trainer(tmp_path, CoupledMomentum(calibrate=short)).fit(Regression(), data())
