"""How many runs share one pass of the compiled program.

The compiler picks its kernels, and with them the order of a sum, by the shapes of the operands: a
product batched over 3 runs differs in its last digit from one batched over 16. Training can amplify
that digit (momentum near 1, a ReLU that switches) to a percent within some hundred steps. Runs are
therefore advanced in tiles of one width, however many there are and over however many devices, so
that each meets the same program.

The width depends on the problem alone. A step pays for each of its operations once a tile, which
asks for wide tiles; its intermediate results should stay in a core's cache, and a few runs should
not pay for many, which ask for narrow ones.
"""

from jax.extend.core import ClosedJaxpr, Jaxpr

NARROWEST = 8
"""Fewest runs of a tile, whatever the cache: a vector of the processor."""

WIDEST, NUMBERS = 64, 2**18
"""Most runs of a tile on a CPU, and most intermediate numbers: 1 MB in single precision."""

WIDEST_ELSEWHERE, NUMBERS_ELSEWHERE = 256, 2**25
"""The same on an accelerator, which needs many numbers at once to be busy."""


def tile_width(gradient: Jaxpr, platform: str) -> int:
    """Runs of a tile: a power of two.

    Args:
        gradient: One run's gradient, as JAX traced it.
        platform: Kind of the devices: ``cpu``, or another.
    """
    cpu = platform == "cpu"
    widest, room = (WIDEST, NUMBERS) if cpu else (WIDEST_ELSEWHERE, NUMBERS_ELSEWHERE)
    fitting = room // max(_intermediate_numbers(gradient), 1)
    width = 1 << max(fitting.bit_length() - 1, 0)
    return min(max(width, NARROWEST), widest)


def _intermediate_numbers(jaxpr: Jaxpr) -> int:
    """Size of all results in a program, those of a loop's body once."""
    total = 0
    for equation in jaxpr.eqns:
        total += sum(getattr(out.aval, "size", 0) for out in equation.outvars)
        for value in equation.params.values():
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, ClosedJaxpr):
                    total += _intermediate_numbers(part.jaxpr)
                elif isinstance(part, Jaxpr):
                    total += _intermediate_numbers(part)
    return total
