"""What a compiled program says of its matrix products."""

import re

_DEFINED = re.compile(
    r"^\s*(?:ROOT )?(%[\w.\-]+) = ([a-z]+)(\d+)\w*\[([\d,]*)\]\S* ([\w\-]+)\(([^)]*)\)"
)
_NAMED = re.compile(r"%[\w.\-]+")
_PRODUCTS = ("dot", "convolution")


def largest_in_products(program: str) -> int:
    """Bytes of the largest operand or result of a matrix product or convolution.

    Args:
        program: A compiled program's text (optimised HLO). Results that are tuples, and types whose
            name does not tell their bits, are passed over.

    Returns:
        The bytes; 0 where there is no product.
    """
    found = [match for line in program.splitlines() if (match := _DEFINED.match(line))]
    sizes = {match[1]: _bytes(int(match[3]), match[4]) for match in found}
    largest = 0
    for match in found:
        if match[5] in _PRODUCTS:
            operands = [sizes.get(name, 0) for name in _NAMED.findall(match[6])]
            largest = max(largest, sizes[match[1]], *operands)
    return largest


def _bytes(bits: int, dimensions: str) -> int:
    count = 1
    for dimension in filter(None, dimensions.split(",")):
        count *= int(dimension)
    return count * bits // 8
