"""Kubernetes quantities (`500m`, `1.5Gi`, `2e3`) as exact integers, in the unit each resource is counted in.

The grammar is that of apimachinery's resource.Quantity: a decimal number, then a decimal suffix (n u m k M G T P E), a
binary one (Ki to Ei) or an exponent. Fractions of a unit are rounded up, as Quantity's Value and MilliValue do, and
what exceeds 63 bits is cut to the largest such integer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from model.errors import InvalidInput

LARGEST: Final = 2**63 - 1

_QUANTITY: Final = re.compile(
    r"([+-]?)([0-9]{0,40})(?:\.([0-9]{0,40}))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,3}))?"
)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


@lru_cache(maxsize=4_096)
def amount(resource: str, text: str) -> int:
    """The quantity of a resource: milli-CPUs for `cpu`, else bytes or pieces; raises InvalidInput."""
    return _scaled(text, 1_000 if resource == "cpu" else 1)


def milli_cpus(text: str) -> int:
    """A quantity of CPUs in thousandths of one; raises InvalidInput."""
    return amount("cpu", text)


def whole(text: str) -> int:
    """A quantity of bytes or of things that are counted; raises InvalidInput."""
    return amount("", text)


def _scaled(text: str, factor: int) -> int:
    found = _QUANTITY.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        raise InvalidInput(f"quantity {text!r}: not a number with a suffix such as 500m, 1.5Gi or 2e3")
    sign, integer, fraction, suffix, exponent = found[1], found[2], found[3] or "", found[4] or "", found[5]
    digits = int(integer + fraction) * factor
    if sign == "-" and digits:
        raise InvalidInput(f"quantity {text!r}: a resource has no negative amount")
    power = (int(exponent) if exponent else _DECIMAL.get(suffix, 0)) - len(fraction)
    numerator = digits * (1 << _BINARY.get(suffix, 0)) * _power_of_ten(power)
    return min(LARGEST, -(-numerator // _power_of_ten(-power)))


def _power_of_ten(exponent: int) -> int:
    return int("1" + "0" * exponent) if exponent > 0 else 1
