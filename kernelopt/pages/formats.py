"""Numbers as a reader sees them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from kernelopt.evaluation.statistics import Estimate

MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"


def count(number: int) -> str:
    """Return a whole number with its thousands marked.

    >>> count(2000)
    '2,000'
    """
    return f"{number:,}"


def capital(text: str) -> str:
    """Return a text with its first letter as a capital, the others as they are.

    >>> capital("test RMSE")
    'Test RMSE'
    """
    return text[:1].upper() + text[1:]


def percent(fraction: float) -> str:
    """Return a fraction in per cent, without the sign.

    >>> percent(0.8625)
    '86.2'
    """
    return f"{100 * fraction:.1f}".replace("-", MINUS) if math.isfinite(fraction) else NOTHING


def points(difference: float) -> str:
    """Return a difference of two fractions in percentage points, signed.

    A difference that one digit would show as zero is given a second one.

    >>> points(0.0134), points(-0.0004), points(0.0)
    ('+1.3', '−0.04', '0.0')
    """
    if not math.isfinite(difference):
        return NOTHING
    value = 100 * difference
    digits = 1 if value == 0 or abs(value) >= 0.05 else 2
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else MINUS) + text


def points_interval(estimate: Estimate) -> str:
    r"""Return the interval of a difference in percentage points.

    >>> points_interval(Estimate(0.01, 0.002, 0.018, 5))
    '[+0.2,\xa0+1.8]'
    """
    return f"[{points(estimate.low)},{SPACE}{points(estimate.high)}]"


def percent_interval(estimate: Estimate) -> str:
    """Return the interval of an accuracy in per cent."""
    return f"[{percent(estimate.low)},{SPACE}{percent(estimate.high)}]"


def significant(value: float, digits: int = 2) -> str:
    """Return a number with a few significant digits, small or large ones as a power of ten.

    >>> significant(0.034), significant(3.2e-7), significant(1234.0)
    ('0.034', '3.2×10⁻⁷', '1,234')
    """
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{decimals}f}".replace("-", MINUS)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.replace('-', MINUS)}×10{_raised(int(exponent))}"


def power_of_ten(value: float) -> str:
    """Return a power of ten for an axis.

    >>> power_of_ten(0.0001), power_of_ten(0.1)
    ('10⁻⁴', '0.1')
    """
    exponent = round(math.log10(value))
    return f"{10.0**exponent:g}" if -3 <= exponent <= 3 else "10" + _raised(exponent)


def seconds(value: float) -> str:
    """Return a duration.

    >>> seconds(0.034), seconds(12.3), seconds(200.0)
    ('0.034 s', '12 s', '3.3 min')
    """
    if not math.isfinite(value):
        return NOTHING
    if value < 120:
        return f"{significant(value)} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def p_value(value: float) -> str:
    """Return a p-value.

    >>> p_value(0.0312), p_value(0.00001), p_value(1.0)
    ('0.031', '<0.001', '1.00')
    """
    if not math.isfinite(value):
        return NOTHING
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def joules(value: float) -> str:
    """Return an amount of energy given in joules.

    >>> joules(812.0), joules(20480.0)
    ('812 J', '20.5 kJ')
    """
    if not math.isfinite(value):
        return NOTHING
    return f"{significant(value, 3)} J" if value < 1e4 else f"{significant(value / 1e3, 3)} kJ"


def number_interval(estimate: Estimate) -> str:
    """Return a plain number with its interval.

    >>> number_interval(Estimate(0.35, 0.3, 0.4, 5))
    '0.35 [0.30, 0.40]'
    """
    return f"{estimate.mean:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]".replace("-", MINUS)


def megabytes(value: float) -> str:
    """Return an amount of memory given in megabytes.

    >>> megabytes(812.0), megabytes(2048.0)
    ('812 MB', '2.0 GB')
    """
    if not math.isfinite(value):
        return NOTHING
    return f"{significant(value, 3)} MB" if value < 1024 else f"{value / 1024:.1f} GB"


def plain(value: Any) -> str:
    """Return any recorded value as text.

    >>> plain({"C": 1.0, "widths": [0.5, 1]})
    'C = 1, widths = 0.5, 1'
    """
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", MINUS)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return str(value)


def listed(items: Iterable[str]) -> str:
    """Return the items of a sentence's enumeration.

    >>> listed(["200", "600", "2,000"])
    '200, 600 and 2,000'
    """
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
