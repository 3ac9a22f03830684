"""Momentum that follows the learning rate, in the Transformers ``Trainer``."""

from typing import Any

from flatfast.extras import require

require("flatfast.torch.transformers", "transformers", "transformers")

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from flatfast.torch.callback import Following

KEPT = "flatfast.calibration"
"""Where the trainer's state keeps a calibrated prefactor."""


class CoupledMomentum(Following, TrainerCallback):
    """Couples the trainer's optimizer to the law, and logs momentum next to the learning rate.

    ::

        trainer = Trainer(model, args, train_dataset=data, callbacks=[CoupledMomentum(C=0.46)])

    ``args.optim`` may be "sgd", "rmsprop" or of the Adam family. What is logged stands in
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
