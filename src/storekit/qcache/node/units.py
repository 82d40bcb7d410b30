"""Numbers as people write them in options: `2GB`, `30`. No I/O."""

import re
from fractions import Fraction

__all__ = ["MOST_BYTES", "parse_size"]

MOST_BYTES = 2**63 - 1
"""What no machine has; larger sizes are mistakes."""

_SIZE = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) ?([A-Za-z]*)")
_DECIMAL = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BINARY = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_UNITS = {"": 1, **_DECIMAL, **_BINARY}


def parse_size(text: str) -> int:
    """Return the bytes that a text such as `500000`, `2GB` or `1.5 GiB` means.

    kB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024; case does not matter.
    `ValueError` for what is no size, or not a whole number of bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"must be a size such as 500000, 2GB or 1.5GiB, not {text!r}")
    number, unit = match[1], match[2].lower()
    if unit not in _UNITS:
        known = "B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024)"
        raise ValueError(f"has the unit {match[2]!r} in {text!r}; there are {known}")
    size = Fraction(number) * _UNITS[unit]  # exact
    if size > MOST_BYTES:
        raise ValueError(f"is more than any machine has: {text!r}")
    if size.denominator != 1:
        raise ValueError(f"must be a whole number of bytes, not {text!r}")
    return int(size)
