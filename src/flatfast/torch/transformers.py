"""Momentum that follows the learning rate, in the Transformers ``Trainer``."""

from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from flatfast.torch.callback import Follower
from flatfast.torch.coupling import Law


class CoupledMomentum(TrainerCallback):
    """Couples the trainer's optimizer to the law, and logs momentum next to the learning rate.

    ::

        trainer = Trainer(model, args, train_dataset=data, callbacks=[CoupledMomentum(C=0.46)])

    ``args.optim`` may be "sgd", "rmsprop" or of the Adam family. What is logged stands in
    ``trainer.state.log_history`` and on the progress bar. Trackers such as TensorBoard come before
    the callbacks that are passed to a trainer, and see it if the callback is put in front::

        CoupledMomentum(C=0.46).attach(trainer)

    Training that goes on from a checkpoint goes on as if it had not been broken.
    """

    def __init__(
        self, C: float | None = None, *, law: Law | None = None, until_end: bool = False
    ) -> None:
        """The law to follow.

        Args:
            C: Prefactor of the 2/3 law.
            law: Another law.
            until_end: Keep the momentum's memory within the steps that remain, see
                :func:`flatfast.torch.couple`.

        Raises:
            ValueError: If both ``C`` and ``law`` are given, or ``C`` is not positive.
        """
        self._follower = Follower(C, law, until_end)

    def attach(self, trainer: Trainer) -> "CoupledMomentum":
        """Become the trainer's first callback, so that all others see what this one logs."""
        trainer.callback_handler.callbacks.insert(0, self)
        return self

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Couple."""
        self._follower.start([kwargs["optimizer"]], state.max_steps)

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
        self._follower.end()
