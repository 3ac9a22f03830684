"""Label noise: what lets SGD drift along the zero-loss manifold to where it is flat.

What matters is the covariance of the gradient that noise on the labels makes on the manifold. For a
model with outputs f(x; w), Jacobian J_b of example b and a batch of B examples, with ½MSE,
``sum((f - y)^2) / (2 B)``, and noise of standard deviation ``std`` on every output:

    covariance = std^2 / B * H,    H = mean over b of J_b^T J_b, the Hessian on the manifold.

Noise in proportion to the Hessian is what the theory of the drift assumes (Blanc et al., COLT 2020;
Damian, Ma and Lee, NeurIPS 2021; Cowsik, Can and Glorioso, arXiv 2210.16400). The docstrings below
say what becomes of it under each kind of noise and loss;
``tests/torch/test_label_noise_covariance.py`` measures each.
"""

import torch
from torch import Tensor

from flatfast.torch.target_noise import TargetNoise, check_labels


class LabelNoise(TargetNoise):
    """Gaussian noise on targets, a fresh draw at each call.

    ::

        noise = LabelNoise(0.1)
        loss = F.mse_loss(model(x), noise(y))                      # regression
        noise = LabelNoise(0.1, classes=10)
        loss = F.mse_loss(model(x), noise(labels))                 # one-hot targets, noisy
        loss = F.cross_entropy(LabelNoise(0.5)(model(x)), labels)  # noise on logits

    The gradient's covariance on the zero-loss manifold, for B examples with K outputs each:

    - ½MSE, ``sum((f - y)^2) / (2 B)``: ``std^2 / B * H``;
    - ``F.mse_loss``, ``sum((f - y)^2) / (B K)``: ``2 std^2 / (B K) * H``, since that loss is 2 / K
      times the other, its Hessian and its gradient with it;
    - cross-entropy with noise on the logits: ``std^2 / B * mean_b J_b^T S_b^2 J_b`` to first order
      in ``std``, with ``S_b = diag(p_b) - p_b p_b^T`` for predicted probabilities p_b, where the
      Hessian has one ``S_b``: not in proportion to it, and it fades as predictions become certain.

    Noise on the outputs of a squared loss is the same as noise on its targets.

    Attributes:
        std: Standard deviation, in the targets' units.
        classes: Number of classes of integer labels, which become one-hot targets; None for targets
            that are numbers already.
    """

    def __init__(self, std: float, classes: int | None = None, seed: int = 0) -> None:
        """Noise of this size.

        Raises:
            ValueError: If ``std`` is negative or not finite, ``classes`` below 2, or ``seed``
                negative.
        """
        super().__init__(seed)
        if not 0 <= std < float("inf"):
            raise ValueError(f"std must be at least 0 and finite, got {std}")
        if classes is not None and classes < 2:
            raise ValueError(f"classes must be at least 2, got {classes}")
        self.std, self.classes = std, classes

    def clean(self, targets: Tensor) -> Tensor:
        """Targets as they are, or one-hot ones (..., classes) from integer labels (...).

        Raises:
            TypeError: If targets are labels and there are no ``classes``, or the reverse.
            ValueError: If a label is not in [0, classes).
        """
        numbers = targets.is_floating_point()
        if self.classes is None:
            if not numbers:
                raise TypeError(
                    f"targets are {targets.dtype}; numbers need a floating-point type, and labels "
                    "need LabelNoise(std, classes=...) or LabelFlips"
                )
            return targets
        if numbers or targets.is_complex():
            raise TypeError(
                f"labels must be integers, got {targets.dtype}: targets that are numbers already, "
                "one-hot rows and class probabilities too, take LabelNoise(std) without classes"
            )
        labels = targets.long()
        check_labels(labels, self.classes)
        one_hot = labels.unsqueeze(-1) == torch.arange(self.classes, device=labels.device)
        outside = (labels < 0) | (labels >= self.classes)
        rows = one_hot.to(torch.get_default_dtype())
        return rows.masked_fill(outside.unsqueeze(-1), torch.nan)

    def noisy(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Clean targets plus ``std`` times a standard normal draw."""
        clean = self.clean(targets)
        draw = torch.randn(clean.shape, generator=generator, device=clean.device, dtype=clean.dtype)
        return clean + self.std * draw

    def extra_repr(self) -> str:
        """Settings, for ``print(model)``."""
        return f"std={self.std}, classes={self.classes}, seed={self.seed}"


class LabelFlips(TargetNoise):
    """With a given probability a label becomes another one, uniformly; a fresh draw at each call.

    ::

        noise = LabelFlips(0.1, classes=10)
        loss = F.cross_entropy(model(x), noise(labels))

    The labels that the loss sees are then distributed as q: ``1 - probability`` at the true class,
    the rest spread evenly. With cross-entropy the mean loss is least where the model predicts q
    (as with label smoothing), and there the gradient's covariance is ``H / B`` whatever the
    probability: Hessian and covariance both are the mean of ``J_b^T (diag(q) - q q^T) J_b``. With
    ½MSE on one-hot targets it is ``1 / B`` times that mean too, while the Hessian is the mean of
    ``J_b^T J_b``: noise in proportion to the Hessian only as far as the classes are alike.

    Labels are class indices of any integer type and shape: one an example, a pixel or a token. A
    label that the loss ignores stays ignored. Of several yes-or-no labels an example (classes 2)
    each flips on its own.

    Attributes:
        probability: Chance that a label is wrong.
        classes: Number of classes, that of ``ignore_index`` included where it is one of them.
        ignore_index: Label of positions that the loss leaves out, as in ``F.cross_entropy``.
    """

    def __init__(
        self, probability: float, classes: int, seed: int = 0, *, ignore_index: int = -100
    ) -> None:
        """Flips of this probability.

        Raises:
            ValueError: If ``probability`` is not in [0, 1], there are fewer than 2 classes that are
                not ignored, or ``seed`` is negative.
        """
        super().__init__(seed)
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be in [0, 1], got {probability}")
        inside = 0 <= ignore_index < classes
        if classes < 2 + inside:
            besides = f" besides ignore_index = {ignore_index}" if inside else ""
            raise ValueError(f"classes must be at least 2{besides}, got {classes - inside}")
        self.probability, self.classes, self.ignore_index = probability, classes, ignore_index

    def noisy(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Labels (...) of an integer type, some of them others.

        Raises:
            TypeError: If labels are not integers, or their type cannot hold all classes.
            ValueError: If one is neither in [0, classes) nor ``ignore_index``.
        """
        if targets.is_floating_point() or targets.is_complex():
            raise TypeError(
                f"labels must be integers, got {targets.dtype}: for class probabilities or soft "
                "labels draw classes first (torch.multinomial), for yes-or-no labels held as "
                "numbers flip noise(labels.long()) with classes=2"
            )
        most = 1 if targets.dtype == torch.bool else torch.iinfo(targets.dtype).max
        if self.classes - 1 > most:
            raise TypeError(
                f"labels of {targets.dtype} hold {most + 1} classes at most, and classes is "
                f"{self.classes}: give noise(labels.long())"
            )
        labels, shape, device = targets.long(), targets.shape, targets.device
        check_labels(labels, self.classes, self.ignore_index)
        drawn = torch.rand(shape, generator=generator, device=device)
        classes = (labels >= 0) & (labels < self.classes) & (labels != self.ignore_index)
        flipped = (drawn < self.probability) & classes
        hole = self.ignore_index if 0 <= self.ignore_index < self.classes else self.classes
        choices = self.classes - (hole < self.classes)
        shift = torch.randint(1, choices, shape, generator=generator, device=device)
        # Places among the classes that are not ignored.
        places = (labels - (labels > hole).long() + shift) % choices
        return torch.where(flipped, places + (places >= hole).long(), labels).to(targets.dtype)

    def extra_repr(self) -> str:
        """Settings, for ``print(model)``."""
        return (
            f"probability={self.probability}, classes={self.classes}, seed={self.seed}, "
            f"ignore_index={self.ignore_index}"
        )
