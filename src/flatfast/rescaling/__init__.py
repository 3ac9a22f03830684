"""A tuned setting at another batch or learning rate: rules, what each keeps, where each holds.

Needs nothing but Python. A setting (:class:`Setting`) and what changes (:class:`Change`) go to a
:class:`Rule`; :func:`rescale` makes of what it asks for what an optimizer can do.
"""

from flatfast.rescaling.change import Change
from flatfast.rescaling.rescale import rescale
from flatfast.rescaling.rescaled import Rescaled
from flatfast.rescaling.rule import Rule
from flatfast.rescaling.rules import rules
from flatfast.rescaling.setting import Setting

__all__ = ["Change", "Rescaled", "Rule", "Setting", "rescale", "rules"]
