"""The lab: problems, many runs at once, and the road from runs to the scaling law.

Data flows one way, and each step is usable alone on the output of the one before::

    Problem + grid -> engine -> judge -> store -> times -> exponent, collapse, comparison -> report

An engine makes trajectories, the judge rows of them.
"""

from flatfast.extras import require

require("the lab", "lab", "jax", "scipy", "diffrax", "pyarrow", "matplotlib", "sklearn")
