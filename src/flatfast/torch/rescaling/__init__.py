"""A tuned optimizer at another batch or learning rate: ``flatfast.torch.rescale``.

Parameter groups become settings (:mod:`~flatfast.torch.rescaling.settings`), which the core's rules
carry over; schedules and averages follow; what was done is kept where checkpoints keep the rest
(:mod:`~flatfast.torch.rescaling.records`).
"""

from flatfast.torch.rescaling.rescale import rescale

__all__ = ["rescale"]
