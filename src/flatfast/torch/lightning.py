"""Momentum that follows the learning rate, in Lightning."""

from typing import Any

from flatfast.extras import require

require("flatfast.torch.lightning", "lightning", "lightning")

from lightning.pytorch import Callback, LightningModule, Trainer

from flatfast.calibration import Calibration
from flatfast.torch.callback import Calibrator, Follower
from flatfast.torch.laws import Law


class CoupledMomentum(Callback):
    """Couples every optimizer of a fit to the law, and logs what is in use.

    ::

        trainer = Trainer(callbacks=[CoupledMomentum(C=0.46)])

    Logs ``lr``, ``momentum`` and ``effective_step`` of each step. A fit that goes on from a
    checkpoint goes on as if it had not been broken. With ``flatfast.torch.SGD``, which follows its
    law by itself, leave out ``C`` and ``law``: the callback then only logs.

    To find the prefactor when the fit starts, from an interpolating model::

        def measured(model, data, lr):
            return flatfast.torch.calibrate(model, loss_fn, data, lr)

        Trainer(callbacks=[CoupledMomentum(calibrate=measured)])
    """

    def __init__(
        self,
        C: float | Calibration | None = None,
        *,
        law: Law | None = None,
        until_end: bool = False,
        calibrate: Calibrator | None = None,
    ) -> None:
        """The law to follow.

        Args:
            C: Prefactor of the 2/3 law, or the calibration that found it.
            law: Another law.
            until_end: Keep the momentum's memory within the steps that remain, see
                :func:`flatfast.torch.couple`.
            calibrate: ``(model, training data, lr) -> Calibration``, called when a fit starts with
                the first group's learning rate; a checkpoint keeps what it found.

        Raises:
            ValueError: If more than one of ``C``, ``law`` and ``calibrate`` is given, or ``C`` is
                not positive.
        """
        self._follower = Follower(C, law, until_end, calibrate)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Couple."""
        total = 0.0
        if self._follower.until_end:
            total = trainer.estimated_stepping_batches
            if total == float("inf"):
                raise ValueError(
                    "until_end needs a Trainer with max_steps or max_epochs, got neither"
                )
        data = None
        if self._follower.calibrate is not None:
            trainer.fit_loop.setup_data()
            data = trainer.train_dataloader
        self._follower.start(trainer.optimizers, int(total), pl_module, data)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint: the prefactor that was found."""
        return {"C": self._follower.C}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the checkpoint's."""
        self._follower.resume(state_dict["C"])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Log."""
        pl_module.log_dict(self._follower.readings(), on_step=True, on_epoch=False)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Uncouple: a fit that fails is not torn down."""
        self._follower.end()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Uncouple."""
        self._follower.end()
