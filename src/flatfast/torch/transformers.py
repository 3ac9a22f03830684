"""In the Transformers ``Trainer``: momentum that follows the learning rate; another batch."""

from typing import Any

from flatfast.extras import require

require("flatfast.torch.transformers", "transformers", "transformers")

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from flatfast.torch.callback import Following
from flatfast.torch.rescaling.trainers import Rescaling, unknown

KEPT = "flatfast.calibration"
"""Where the trainer's state keeps a calibrated prefactor."""


class CoupledMomentum(Following, TrainerCallback):
    """Couples the trainer's optimizer to the law, and logs momentum next to the learning rate.

    ::

        trainer = Trainer(model, args, train_dataset=data, callbacks=[CoupledMomentum(C=0.46)])

    ``args.optim`` is "sgd" or "rmsprop". Of the Adam family, the trainer's default, there is no law
    (docs/adam.md), and only ``law=``, a function of your own, is followed. What is logged stands in
    ``trainer.state.log_history`` and on the progress bar. Trackers such as TensorBoard come before
    the callbacks that are passed to a trainer, and see it if the callback is put in front::

        CoupledMomentum(C=0.46).attach(trainer)

    Training that goes on from a checkpoint goes on as if it had not been broken.

    To find the prefactor when training starts, from an interpolating model, give ``calibrate``;
    batches are the trainer's own dictionaries, and what it found is among the trainer's state::

        def measured(model, data, lr):
            return flatfast.torch.calibrate(model, loss_fn, data, lr, forward=outputs_and_labels)

        Trainer(..., callbacks=[CoupledMomentum(calibrate=measured)])
    """

    def attach(self, trainer: Trainer) -> "CoupledMomentum":
        """Become the trainer's first callback, so that all others see what this one logs."""
        trainer.callback_handler.callbacks.insert(0, self)
        return self

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Couple."""
        # What callbacks keep is a dictionary in the trainer's state, and goes into its checkpoints.
        kept: Any = state.stateful_callbacks
        if self._follower.calibrate is not None and KEPT in kept:
            self._follower.resume(float(kept[KEPT]["attributes"]["C"]))
        self._follower.start(
            [kwargs["optimizer"]], state.max_steps, kwargs["model"], kwargs.get("train_dataloader")
        )
        if self._follower.C is not None:
            kept[KEPT] = {"args": {}, "attributes": {"C": self._follower.C}}

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Add momentum and effective step to a log of the learning rate."""
        logs = kwargs["logs"]
        if "learning_rate" not in logs:
            return
        found = self._follower.readings()
        added = {name: value for name, value in found.items() if not name.startswith("lr")}
        logs.update(added)
        state.log_history[-1].update(added)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Uncouple."""
        self.uncouple()

    def uncouple(self) -> None:
        """Give the optimizer back the momentum that it had; after a training that has failed.

        A trainer tells its callbacks of its end and not of its failure.
        """
        self._follower.end()


class RescaleBatch(Rescaling, TrainerCallback):
    """Carries a tuned optimizer to the batch of this trainer: devices and accumulation included.

    ::

        trainer = Trainer(model, args, ..., callbacks=[RescaleBatch(256, rule="adam-sde")])

    When training starts, after a checkpoint is loaded if there is one, the optimizer with its
    schedule goes through :func:`flatfast.torch.rescale`, from the reference to the batch of the
    data loader on all processes times ``gradient_accumulation_steps``. A checkpoint knows whether,
    and to which batch, it was rescaled, so training may go on with other devices.
    """

    _begun = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Another training, or the same with another batch."""
        self._begun = False

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Rescale, before the first step; other callbacks have then coupled what they couple.

        Raises:
            ValueError: If the batch is not known, or the optimizer cannot be rescaled.
            MomentumConflictError: If something else writes the momentum.
        """
        if self._begun:
            return
        scheduler = kwargs.get("lr_scheduler")
        examples = self._examples(args, kwargs.get("train_dataloader"))
        self._rescale([kwargs["optimizer"]], [] if scheduler is None else [scheduler], examples)
        self._begun = True

    def _examples(self, args: TrainingArguments, loader: Any) -> float:
        if self.batch is not None:
            return self.batch
        try:
            # Accelerate's, of all processes that do not share a model between them.
            batch = loader.total_batch_size
        except (AttributeError, TypeError):
            batch = None
        if not isinstance(batch, int):
            raise unknown(f"the training data, {type(loader).__name__}, have no batch size")
        return batch * args.gradient_accumulation_steps
