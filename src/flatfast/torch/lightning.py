"""In Lightning: momentum that follows the learning rate, and a tuned setting at another batch."""

from typing import Any

from flatfast.extras import require

require("flatfast.torch.lightning", "lightning", "lightning")

from lightning.pytorch import Callback, LightningModule, Trainer, callbacks

from flatfast.torch.callback import Following
from flatfast.torch.rescaling.trainers import Rescaling, loader_batch, unknown


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


class RescaleBatch(Rescaling, Callback):
    """Carries tuned optimizers to the batch of this Trainer: devices and accumulation included.

    ::

        trainer = Trainer(devices=4, callbacks=[RescaleBatch(reference_batch=256)])

    When training starts, after a checkpoint is loaded if there is one, every optimizer with its
    schedules goes through :func:`flatfast.torch.rescale`, from the reference to the batch of the
    data loader times the processes that share the data times ``accumulate_grad_batches``; a
    ``GradientAccumulationScheduler`` is followed from epoch to epoch, and the decay of Lightning's
    ``EMAWeightAveraging`` is rescaled as well. A checkpoint knows whether, and to which batch, it
    was rescaled, so a fit may go on with other devices.
    """

    _now: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rescale.

        Raises:
            ValueError: If the batch is not known, or an optimizer cannot be rescaled.
            MomentumConflictError: If something else writes a momentum.
        """
        self._to(trainer, self._examples(trainer, pl_module))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follow a change of the batches that are accumulated."""
        examples = self._examples(trainer, pl_module)
        if examples != self._now:
            self._to(trainer, examples)

    def _to(self, trainer: Trainer, examples: float) -> None:
        kind = getattr(callbacks, "WeightAveraging", ())  # not in all versions
        averages = [each._average_model for each in _callbacks(trainer, kind)]
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        present = [average for average in averages if average is not None]
        self._rescale(trainer.optimizers, schedulers, examples, present)
        self._now = examples

    def _examples(self, trainer: Trainer, pl_module: LightningModule) -> float:
        if self.batch is not None:
            return self.batch
        if not pl_module.automatic_optimization:
            raise unknown("with manual optimization a step is what the module makes it")
        batch = loader_batch(trainer.train_dataloader)
        if batch is None:
            kind = type(trainer.train_dataloader).__name__
            raise unknown(f"the training data, {kind}, have no batch_size")
        # Processes that share a model between them read the same data.
        sampler: Any = getattr(trainer.strategy, "distributed_sampler_kwargs", None) or {}
        processes: int = sampler.get("num_replicas", trainer.world_size)
        return batch * processes * _accumulated(trainer)


def _accumulated(trainer: Trainer) -> int:
    """Batches in a step of this epoch, also where the scheduler of that has yet to be asked."""
    for each in _callbacks(trainer, callbacks.GradientAccumulationScheduler):
        return int(each.get_accumulate_grad_batches(trainer.current_epoch))
    return trainer.accumulate_grad_batches


def _callbacks(trainer: Trainer, kind: Any) -> list[Any]:
    every: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return [each for each in every if isinstance(each, kind)]


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
