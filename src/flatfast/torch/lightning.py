"""Momentum that follows the learning rate, in Lightning."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from flatfast.torch.callback import Follower
from flatfast.torch.coupling import Law


class CoupledMomentum(Callback):
    """Couples every optimizer of a fit to the law, and logs what is in use.

    ::

        trainer = Trainer(callbacks=[CoupledMomentum(C=0.46)])

    Logs ``lr``, ``momentum`` and ``effective_step`` of each step. A fit that goes on from a
    checkpoint goes on as if it had not been broken. With ``flatfast.torch.SGD``, which follows its
    law by itself, leave out ``C`` and ``law``: the callback then only logs.
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

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Couple."""
        if not self._follower.until_end:
            self._follower.start(trainer.optimizers, 0)
            return
        total = trainer.estimated_stepping_batches
        if total == float("inf"):
            raise ValueError("until_end needs a Trainer with max_steps or max_epochs, got neither")
        self._follower.start(trainer.optimizers, int(total))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Log."""
        pl_module.log_dict(self._follower.readings(), on_step=True, on_epoch=False)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Uncouple."""
        self._follower.end()
