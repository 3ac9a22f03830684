"""SGD whose momentum follows its learning rate, eager, compiled and in CUDA graphs.

In eager mode it is ``torch.optim.SGD`` with the momentum written before each step, bit for bit.

``torch.compile`` bakes a Python number into the program and compiles again for each new one, up to
a limit of eight. Under the compiler, and where the learning rate is a tensor on an accelerator,
momentum and learning rate are tensors instead: one program serves the whole schedule, and a
captured graph reads the momentum that follows from the learning rate on the device.
"""

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from flatfast.calibration import Calibration
from flatfast.torch.auto import AutoMomentum, unmeasured
from flatfast.torch.coupling import Coupling, restored
from flatfast.torch.groups import Group, momentum_of
from flatfast.torch.laws import Law, law_of, momentum_on_device
from flatfast.torch.others import Others
from flatfast.torch.tensor_sgd import tensor_sgd


class SGD(torch.optim.SGD):
    """``torch.optim.SGD`` with the momentum of the law at the current learning rate.

    ::

        optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.46)

    The velocity is left as it is when the momentum changes, see :mod:`flatfast.torch.coupling`.
    A checkpoint is that of ``torch.optim.SGD`` and can be loaded by either.

    Attributes:
        coupling: What is in use (``coupling.groups()``), and how to give a group another law.
        auto: What measures the law, with ``C="auto"``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor,
        *,
        C: float | Calibration | Literal["auto"] | None = None,
        law: Law | Sequence[Law] | None = None,
        measure: Callable[[float], Calibration] | None = None,
        total_steps: int | None = None,
        others: Others = "raise",
        momentum: None = None,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ) -> None:
        """Make the optimizer.

        Args:
            params: Parameters or parameter groups.
            lr: Learning rate. A tensor on an accelerator is followed on the device.
            C: Prefactor of the 2/3 law, or the calibration that found it; ``"auto"`` to have it
                measured while training goes on, at momentum 0.9 until something is found
                (experimental, see :func:`flatfast.torch.auto_momentum`).
            law: Another law, or a sequence of one for each parameter group.
            measure: With ``C="auto"``: a :class:`flatfast.torch.Calibrator`, or a function from
                learning rate to calibration.
            total_steps: Length of the training; see :func:`flatfast.torch.couple`.
            others: What to do where another hand writes the momentum; see
                :func:`flatfast.torch.couple`.
            momentum: Not to be given: the law sets it.
            weight_decay: As in ``torch.optim.SGD``, like all that follow.
            nesterov: Nesterov momentum.
            maximize: Ascend.
            foreach: All tensors in a few calls.
            fused: All in one kernel.

        Raises:
            TypeError: If a momentum is given.
            ValueError: If both or neither of ``C`` and ``law`` are given, or a value is wrong.
            CalibrationError: If ``C`` is a calibration that found no law; says why.
        """
        if momentum is not None:
            raise TypeError(
                "leave momentum out: C or law sets it at every step, from the learning rate; a "
                f"tuned pair gives law=MomentumLaw.from_reference(lr, {momentum})"
            )
        if (C is None) == (law is None):
            raise ValueError("give either C, the law's prefactor, or law")
        if isinstance(C, str) and C != "auto":
            raise ValueError(f'C must be a positive number, a calibration or "auto", got {C!r}')
        if isinstance(C, str) and measure is None:
            raise ValueError(
                "C='auto' needs measure=, a function from learning rate to calibration, e.g. "
                "measure=lambda lr: calibrate(model, loss_fn, loader, lr)"
            )
        if measure is not None and not isinstance(C, str):
            raise ValueError(f"measure= is for C='auto', which it measures; got C={C!r}")
        if isinstance(C, str):
            chosen: Any = unmeasured()
        else:
            chosen = law_of(C) if C is not None else law
        assert chosen is not None
        super().__init__(
            params,
            lr,
            momentum=sys.float_info.min,  # what the first step uses is written before it
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            fused=fused,
        )
        self._ready(Coupling(self, chosen, total_steps, others=others, hook=False))
        self.auto: AutoMomentum | None = None
        if measure is not None:
            self.auto = AutoMomentum(self, measure)

    def _ready(self, coupling: Coupling) -> None:
        self.coupling = coupling
        self._scalars: list[tuple[Tensor, Tensor]] = []
        self.register_state_dict_pre_hook(_write_momenta)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle needs: the laws too."""
        return {**super().__getstate__(), "coupled": self.coupling.settings()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a copied or pickled state."""
        coupled = state.pop("coupled", None)
        super().__setstate__(state)
        if coupled is not None:  # or it is a checkpoint that is loaded
            self.auto = None  # its measurement is of another optimizer's model
            self._ready(restored(self, coupled, hook=False))

    def __repr__(self) -> str:
        """As PyTorch's, with the momentum of the last step, or before the first that of the next.

        The groups may hold :data:`flatfast.torch.groups.LEAST`, which stands for another number.
        """
        text = super().__repr__()
        try:
            used = [group.momentum for group in self.coupling.groups()]
        except (AttributeError, TypeError, ValueError):  # unfinished, or a law without an answer
            return text
        told = iter(used or map(momentum_of, self.param_groups))  # none once it is uncoupled
        return re.sub(r"(?m)^( *momentum: ).*$", lambda found: f"{found[1]}{next(told)}", text)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step.

        Args:
            closure: Evaluates the loss anew, with gradients, and returns it.

        Returns:
            The closure's loss, if there is a closure.

        Raises:
            MomentumConflictError: If something else writes the momentum.
        """
        # The compiler must not see the learning rate: it would guard its value.
        if torch.compiler.is_compiling() or _any_on_device(self.param_groups):
            return self._tensor_step(closure)
        self.coupling.follow()
        loss = _PLAIN_STEP(self, closure)
        self.coupling.settle()
        return loss

    def _tensor_step(self, closure: Callable[[], Any] | None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for part in self._gather():
                tensor_sgd(**part)
        return loss

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _gather(self) -> list[dict[str, Any]]:
        """What a compiled program, or a captured graph, reads at this step: one part a group.

        The compiler sees the tensors that come out of here and never the groups' numbers, whose
        values it would guard.
        """
        groups = self.param_groups
        if not _any_on_device(groups):
            self.coupling.follow()
        elif not all(map(_on_device, groups)):
            raise ValueError(
                "learning rates are on an accelerator in some parameter groups and on the host in "
                "others; put all of them on one side"
            )
        parts = []
        for index, group in enumerate(groups):
            lr, momentum = self._fill_scalars(index, group)
            params = [p for p in group["params"] if p.grad is not None]
            for p in params:
                if self.state[p].get("momentum_buffer") is None:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            if params:
                parts.append(
                    {
                        "params": params,
                        "grads": [p.grad for p in params],
                        "buffers": [self.state[p]["momentum_buffer"] for p in params],
                        "lr": lr,
                        "momentum": momentum,
                        "weight_decay": group["weight_decay"],
                        "nesterov": group["nesterov"],
                        "maximize": group["maximize"],
                        # What a GradScaler leaves to a fused optimizer, while it is at it.
                        "grad_scale": getattr(self, "grad_scale", None),
                        "found_inf": getattr(self, "found_inf", None),
                    }
                )
        self.coupling.settle()
        return parts

    def _fill_scalars(self, index: int, group: Group) -> tuple[Tensor, Tensor]:
        """Learning rate and momentum of this step, always in the same two tensors."""
        if index == len(self._scalars):
            like = group["lr"] if _on_device(group) else torch.zeros((), dtype=torch.float64)
            self._scalars.append((torch.zeros_like(like), torch.zeros_like(like)))
        lr, momentum = self._scalars[index]
        if _on_device(group):
            # Not a copy: a captured graph is to read what is in it then.
            lr = group["lr"]
            if self.coupling.total_steps is not None:
                raise ValueError("total_steps needs a learning rate on the host, a number")
            if self.coupling.others == "yield":
                raise ValueError("others='yield' needs a learning rate on the host, a number")
            momentum.copy_(momentum_on_device(self.coupling.law(index), lr))
        else:
            lr.fill_(float(group["lr"]))
            momentum.fill_(group["momentum"])
        return lr, momentum


def _on_device(group: Group) -> bool:
    lr = group["lr"]
    return isinstance(lr, Tensor) and lr.device.type != "cpu"


def _any_on_device(groups: list[Group]) -> bool:
    for group in groups:  # noqa: SIM110 - at every step, and faster than any()
        if type(group["lr"]) is not float and _on_device(group):
            return True
    return False


def _without_hooks(step: Any) -> Any:
    return step.__wrapped__ if getattr(step, "hooked", False) else step


_PLAIN_STEP = _without_hooks(torch.optim.SGD.step)
"""``torch.optim.SGD``'s step without its hooks, which run around ours."""


def _write_momenta(optimizer: torch.optim.Optimizer) -> None:
    """Before a checkpoint: momenta that lived on the device go into the groups."""
    if isinstance(optimizer, SGD) and _any_on_device(optimizer.param_groups):
        optimizer.coupling.follow()
