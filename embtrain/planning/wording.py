"""How bytes, times and counts are spelled for readers: to two or three digits, which is all that an estimate has."""

from __future__ import annotations

_STEP = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TWO_DIGITS = 9.95


def in_bytes(number: float) -> str:
    """Spell bytes, such as ``312 MB`` or ``3.2 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 0.9995 * _STEP:
            return _rounded(number, unit)
        number /= _STEP
    return _rounded(number, "TB")


def in_time(seconds: float) -> str:
    """Spell a time, such as ``40 s``, ``3.5 min`` or ``2 days``."""
    for unit, size, limit in (("s", 1, 100), ("min", _MINUTE, 100 * _MINUTE), ("h", _HOUR, 2 * _DAY)):
        if seconds < limit:
            return _rounded(seconds / size, unit)
    return _rounded(seconds / _DAY, "days")


def in_count(number: float, unit: str) -> str:
    """Spell a large count, such as ``5.8 M words``."""
    if number < 0.9995 * _STEP:
        return f"{number:.0f} {unit}"
    for prefix in ("k ", "M ", "G "):
        number /= _STEP
        if number < 0.9995 * _STEP:
            return _rounded(number, f"{prefix}{unit}")
    return _rounded(number / _STEP, f"T {unit}")


def _rounded(number: float, unit: str) -> str:
    return f"{number:.1f} {unit}" if number < _TWO_DIGITS and unit != "B" else f"{number:,.0f} {unit}"
