"""flatfast: given my learning rate, what should momentum be?

The law (:class:`MomentumLaw`, :func:`transfer`) needs nothing but Python;
:mod:`flatfast.timescales` needs NumPy; :mod:`flatfast.lab`, which measures, needs the extra
``flatfast[lab]``.
"""

from flatfast import timescales
from flatfast.law import MomentumLaw, effective_step, memory, transfer

__version__ = "0.1.0"

__all__ = ["MomentumLaw", "__version__", "effective_step", "memory", "timescales", "transfer"]
