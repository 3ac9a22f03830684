"""What measures a model again and again: calibrations, and the sharpness between them."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from flatfast.calibration import Calibration
from flatfast.calibration.fall import PROBES, READING, as_fall, sharpness_read
from flatfast.torch.batches import Batches, pair
from flatfast.torch.calibration import calibrate, landscape_of
from flatfast.torch.put_back import put_back
from flatfast.torch.trained import trained

LOOK = 0.5
"""Fall of the sharpness to which the first calibration looks ahead."""


@runtime_checkable
class Gauging(Protocol):
    """A measurement whose sharpness can be read between its calibrations."""

    @property
    def reading_cost(self) -> int:
        """Gradient evaluations of a reading."""
        ...

    def __call__(self, lr: float) -> Calibration:
        """Calibrate at the weights of the moment."""
        ...

    def ahead(self, lr: float) -> Calibration:
        """The first calibration, which may cost more and tell more."""
        ...

    def sharpness(self) -> float:
        """The sharpness, to be compared with itself at other weights."""
        ...


class Calibrator:
    """Calibrates a model whenever it is called, and reads its sharpness for two gradients.

    ::

        auto_momentum(optimizer, Calibrator(model, loss_fn, loader))

    Readings are by the same probes on the same batch, so that their ratio is precise. The batch is
    the first that is seen, and is kept.

    Attributes:
        fall: How far the first calibration looks ahead; None if it does not.
    """

    reading_cost = PROBES * READING

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[[Any, Any], Tensor],
        data: Iterable[Any] | tuple[Tensor, Tensor],
        *,
        fall: float | None = LOOK,
        **options: Any,
    ) -> None:
        """Nothing is measured yet.

        Args:
            model: As in :func:`flatfast.torch.calibrate`, like all but ``fall``.
            loss_fn: The loss of training.
            data: The data of training.
            fall: How far the first calibration looks ahead along the drift, as a share of the
                sharpness; it then costs about five times as much, and C follows from the first
                step on. None leaves that out.
            **options: Further ones of :func:`flatfast.torch.calibrate`.

        Raises:
            TypeError: If ``fall`` is no number.
            ValueError: If it is not in (0, 1).
        """
        self._parts = model, loss_fn, data
        self.fall = None if fall is None else as_fall(fall)
        self._options = options
        self._batch: Any = None

    def __call__(self, lr: float) -> Calibration:
        """Calibrate at the weights of the moment."""
        return calibrate(*self._parts, lr, **self._options)

    def ahead(self, lr: float) -> Calibration:
        """The same with a look ahead."""
        return calibrate(*self._parts, lr, fall=self.fall, **self._options)

    def sharpness(self) -> float:
        """``tr G`` by two probes; everything is left as it was."""
        model, loss_fn, data = self._parts
        chosen = trained(model, self._options.get("params"))
        if self._batch is None:
            with put_back(model, data, chosen):
                self._batch = [Batches(data, chosen[0].device).first]
        forward = self._options.get("forward") or pair
        with landscape_of(model, loss_fn, self._batch, chosen, forward) as landscape:
            return sharpness_read(landscape)
