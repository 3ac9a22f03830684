"""Momentum that follows the learning rate, in Lightning."""

from typing import Any

from flatfast.extras import require

require("flatfast.torch.lightning", "lightning", "lightning")

from lightning.pytorch import Callback, LightningModule, Trainer

from flatfast.torch.callback import Following


class CoupledMomentum(Following, Callback):
    """Couples every optimizer of a fit to the law, and logs what is in use.

    ::

        trainer = Trainer(callbacks=[CoupledMomentum(C=0.46)])

    Logs ``lr``, ``momentum`` and ``effective_step`` of each step. A fit that goes on from a
    checkpoint goes on as if it had not been broken. With ``flatfast.torch.SGD``, which follows its
    law by itself, leave out ``C`` and ``law``: the callback then only logs. With ``until_end``
    every optimizer of manual optimization is taken to step once a batch.

    To find the prefactor when the fit starts, from an interpolating model::

        def measured(model, data, lr):
            return flatfast.torch.calibrate(model, loss_fn, data, lr)

        Trainer(callbacks=[CoupledMomentum(calibrate=measured)])
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Couple.

        Raises:
            ValueError: If there is no law, or ``until_end`` is asked for and the Trainer's limits
                do not tell how many steps each optimizer makes.
        """
        total = steps_of_each(trainer) if self._follower.until_end else 0
        data = None
        if self._follower.calibrate is not None:
            trainer.fit_loop.setup_data()
            data = trainer.train_dataloader
        self._follower.start(trainer.optimizers, total, pl_module, data)

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


def steps_of_each(trainer: Trainer) -> int:
    """How many steps each optimizer makes in a fit.

    Lightning counts the steps of all optimizers together, and ``max_steps`` ends a fit by that
    count: what each makes of them is the training step's affair. Epochs say it, where they end the
    fit first.

    Raises:
        ValueError: If the Trainer's limits do not tell.
    """
    steps, optimizers = trainer.estimated_stepping_batches, len(trainer.optimizers)
    if not 0 <= steps < float("inf"):  # -1: epochs of a stream have no length
        raise ValueError(
            "until_end needs a Trainer with max_steps or max_epochs, and with max_epochs data of "
            "a known length; here the end is not known"
        )
    by_epochs = trainer.max_epochs != -1 and trainer.num_training_batches < float("inf")
    ended = trainer.max_steps != -1 and (not by_epochs or steps * optimizers > trainer.max_steps)
    if optimizers > 1 and ended:
        raise ValueError(
            f"until_end cannot tell the steps of each of {optimizers} optimizers from max_steps = "
            f"{trainer.max_steps}, in which Lightning counts the steps of all: give the Trainer "
            "max_epochs instead, leave until_end out, or couple each by couple(optimizer, law, "
            "total_steps=...) in configure_optimizers and give no C, law or until_end here"
        )
    return int(steps)
