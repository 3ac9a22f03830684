"""Numbers as people read them: few digits, real minus signs, thin spaces, powers of ten.

Everything here is plain text (Unicode), so that the terminal, the figures and the page agree.
"""

import math
import re

from flatfast.lab.goal import COOLED

SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
UNKNOWN = "unknown"


def number(value: float | None, digits: int = 3) -> str:
    """``value`` to so many significant digits: 0.00123, 12.3, 12 300, 1.23 × 10⁻⁶."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    mantissa, exponent_text = f"{abs(value):.{digits - 1}e}".split("e")
    exponent = int(exponent_text)
    if -4 <= exponent < 7:
        text = f"{float(f'{mantissa}e{exponent}'):,.{max(0, digits - 1 - exponent)}f}"
        text = text.replace(",", "\N{NARROW NO-BREAK SPACE}")
    else:
        text = f"{mantissa} × 10{str(exponent).translate(SUPERSCRIPT)}"
    return f"−{text}" if value < 0 else text


def fixed(value: float | None, decimals: int = 3) -> str:
    """``value`` to so many decimals: for numbers that are compared in a column."""
    if value is None or not math.isfinite(value):
        return UNKNOWN if value is None or math.isnan(value) else "∞"
    return f"{value:.{decimals}f}".replace("-", "−")


def rate(value: float, digits: int = 4) -> str:
    """A learning rate in its shortest form to so many digits, 0.002 or 3.162 × 10⁻⁵."""
    if 1e-4 <= value < 1e4:
        return f"{float(f'{value:.{digits}g}'):.{digits}g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = f"10{str(int(exponent)).translate(SUPERSCRIPT)}"
    return power if mantissa == "1" else f"{mantissa} × {power}"


def momentum(value: float | None) -> str:
    """A momentum, with as many digits as its distance from 1 needs: 0.9, 0.984, 0.99972."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if value == 0:
        return "0"
    distance = 1 - value
    decimals = (
        2 if distance >= 1 else min(9, max(2, 1 - math.floor(math.log10(max(distance, 1e-9)))))
    )
    return f"{value:.{decimals}f}".replace("-", "−")


def count(value: int) -> str:
    """A whole number in groups of three: 12 300."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def steps(value: float | None) -> str:
    """A number of steps: three digits, no decimals above 100."""
    return number(value, 3)


def times(value: float | None, bound: str = "") -> str:
    """A ratio: 1.35×, 26×, 130×; a bound, ">" or "<", is rounded so that it holds still."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    digits = 2 if value >= 10 else 3
    return f"{number(as_bound(value, bound, digits), digits)}×"


def marked(value: float, relation: str) -> str:
    """A ratio with the sign of what it is: 1.35, > 1.73, < 3.1, ~ 0.8."""
    sign = f"{relation} " if relation in (">", "<", "~") else ""
    return f"{sign}{as_bound(value, relation):.3g}"


def as_bound(value: float, relation: str, digits: int = 3) -> float:
    """``value`` rounded to so many digits, down where it is a lower bound (">"), up for "<"."""
    if relation not in (">", "<") or not (math.isfinite(value) and value > 0):
        return value
    unit = 10.0 ** (math.floor(math.log10(value)) + 1 - digits)
    whole = round(value / unit, 6)  # 1.35 is 135 of 0.01, and not somewhat less
    return unit * (math.floor(whole) if relation == ">" else math.ceil(whole))


def percent(value: float) -> str:
    """A level such as 0.95 as 95%."""
    return f"{value * 100:g}%"


def sentence(words: str) -> str:
    """``words`` with a capital and a full stop."""
    begun = words[:1].upper() + words[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def exponent_name(value: float) -> str:
    """2/3 for 0.6667, 1/2 for 0.5, otherwise the number."""
    for numerator, denominator in ((2, 3), (1, 2), (1, 3), (3, 4)):
        if math.isclose(value, numerator / denominator, rel_tol=1e-9):
            return f"{numerator}/{denominator}"
    return f"{value:g}"


def metric_name(name: str) -> str:
    """A metric's name in words: ``cooled:test_error`` is "test error, cooled"."""
    plain = name.removeprefix(COOLED).replace("_", " ")
    return f"{plain}, cooled" if name.startswith(COOLED) else plain


def method_name(name: str) -> str:
    """A compared method's name, typeset: ``1 - beta = 2 sqrt(lr)`` is 1 − momentum = 2 √lr."""
    plain = name.replace(" - ", " − ").replace("beta", "momentum").replace("sqrt(lr)", "√lr")
    plain = re.sub(r"\bx(?=\d)", "×", plain)
    plain = re.sub(r"\bmu\b", "μ", plain)
    return plain.replace("C1 ", "C₁ ")
