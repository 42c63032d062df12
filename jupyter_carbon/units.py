"""Joules and kilowatt-hours, and numbers as people read them.  The only place that knows SI prefixes.

Three significant digits for what was measured, two and ``≈`` for what was modelled or assumed, never more than the
source resolves.  A number is rounded first, then given the prefix that leaves 1 to 999.  The table of cases in
``tests/units_cases.json`` is read by the tests of this file and of the front end.
"""

from __future__ import annotations

from jupyter_carbon.model import Interval, Quality

J_PER_KWH = 3.6e6
UNKNOWN = "–"

# Each unit's words by power of a thousand, the smallest first; the number is the power of the first word.
_PREFIXES: dict[str, tuple[int, tuple[str, ...]]] = {
    "Wh": (-2, ("µWh", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh")),
    "J": (-2, ("µJ", "mJ", "J", "kJ", "MJ", "GJ", "TJ")),
    "W": (-2, ("µW", "mW", "W", "kW", "MW", "GW")),
    "g": (-2, ("µg", "mg", "g", "kg", "t", "kt", "Mt")),
    "l": (-2, ("µl", "ml", "l", "m³")),
    "s": (-2, ("µs", "ms", "s")),
}
# What callers count in, as so many of the unit above.
_UNITS: dict[str, tuple[str, float]] = {
    "kWh": ("Wh", 1000.0),
    "Wh": ("Wh", 1.0),
    "J": ("J", 1.0),
    "W": ("W", 1.0),
    "kg": ("g", 1000.0),
    "g": ("g", 1.0),
    "l": ("l", 1.0),
}
# An exact half is rounded up, as JavaScript's toExponential does; Python would round it to even.
_HALF_UP = 1.0 + 1e-12


def kwh_from_j(energy_j: float) -> float:
    """Kilowatt-hours: 3.6 MJ each."""
    return energy_j / J_PER_KWH


def j_from_kwh(energy_kwh: float) -> float:
    """Joules: 3.6 million to the kilowatt-hour."""
    return energy_kwh * J_PER_KWH


def energy_text(energy_kwh: float | None, quality: Quality, *, resolution_kwh: float = 0.0) -> str:
    """Energy in watt-hours.

    >>> energy_text(0.00124, "measured"), energy_text(0.00124, "modelled"), energy_text(None, "measured")
    ('1.24 Wh', '≈ 1.2 Wh', '–')
    """
    return _text(energy_kwh, "kWh", quality, resolution_kwh)


def joules_text(energy_j: float | None, quality: Quality, *, resolution_j: float = 0.0) -> str:
    """Energy in joules, for the detail; below the counter's step the step is an upper bound.

    >>> joules_text(1.2345, "measured", resolution_j=0.1), joules_text(0.0004, "measured", resolution_j=0.002)
    ('1.2 J', '< 2 mJ')
    """
    return _text(energy_j, "J", quality, resolution_j)


def power_text(power_w: float | None, quality: Quality) -> str:
    """Power, which is not energy: watts."""
    return _text(power_w, "W", quality)


def mass_text(mass_g: float | None, quality: Quality) -> str:
    """A mass of CO2-equivalent, from micrograms to tonnes.

    >>> mass_text(0.9996, "modelled"), mass_text(0.046, "assumed")
    ('≈ 1.0 g', '≈ 46 mg')
    """
    return _text(mass_g, "g", quality)


def volume_text(volume_l: float | None, quality: Quality) -> str:
    """A volume of water, from microlitres to cubic metres."""
    return _text(volume_l, "l", quality)


def range_text(interval: Interval | None, unit: str) -> str:
    """Low to high at two digits, the unit once and chosen for the high end; `unit` is what the numbers count.

    >>> range_text(Interval(4.0, 4.7, 5.6), "g"), range_text(Interval(0.00034, 0.001, 0.0056), "kWh")
    ('4.0 – 5.6 g', '0.34 – 5.6 Wh')
    """
    if interval is None:
        return UNKNOWN
    base, factor = _UNITS[unit]
    high, power = _number(interval.high * factor, 2, base)
    low, _ = _number(interval.low * factor, 2, base, power)
    return f"{low} – {high} {_word(base, power)}" if low != high else f"{high} {_word(base, power)}"


def duration_text(duration_s: float | None) -> str:
    """How long: three digits below a minute, then the two largest whole units.

    >>> duration_text(0.0421), duration_text(125), duration_text(3599.7)
    ('42.1 ms', '2 min 5 s', '1 h')
    """
    if duration_s is None:
        return UNKNOWN
    if duration_s < 59.95:
        number, power = _number(duration_s, 3, "s")
        return f"{number} {_word('s', power)}"
    seconds, minutes, hours = (int(duration_s / size_s + 0.5) for size_s in (1, 60, 3600))
    if seconds < 3600:
        return _two(seconds, 60, "min", "s")
    return _two(minutes, 60, "h", "min") if hours < 48 else _two(hours, 24, "d", "h")


def _two(count: int, size: int, large: str, small: str) -> str:
    many, rest = divmod(count, size)
    return f"{many} {large} {rest} {small}" if rest else f"{many} {large}"


def _text(value: float | None, unit: str, quality: Quality, resolution: float = 0.0) -> str:
    if value is None:
        return UNKNOWN
    base, factor = _UNITS[unit]
    scaled, step = value * factor, resolution * factor
    if step > 0.0 and abs(scaled) < step:
        number, power = _number(step, 2, base)
        return f"< {number.removesuffix('.0')} {_word(base, power)}"
    measured = quality == "measured"
    number, power = _number(scaled, _digits(scaled, 3 if measured else 2, step), base)
    text = f"{number} {_word(base, power)}"
    return text if measured or number == "0" else f"≈ {text}"


def _digits(value: float, most: int, step: float) -> int:
    """Significant digits whose last one the source still resolves, at least one."""
    if step <= 0.0 or value == 0.0:
        return most
    exponent = int(f"{abs(value):e}".partition("e")[2])
    digits = most
    while digits > 1 and 10.0 ** (exponent - digits + 1) < step * (1.0 - 1e-9):
        digits -= 1
    return digits


def _number(value: float, digits: int, base: str, power: int | None = None) -> tuple[str, int]:
    """`value` rounded to `digits`, then written in the power of a thousand that leaves 1 to 999 (or in `power`)."""
    if value == 0.0:
        return "0", 0 if power is None else power
    mantissa, _, tail = f"{value * _HALF_UP:.{digits - 1}e}".partition("e")
    exponent = int(tail)
    if power is None:
        first, words = _PREFIXES[base]
        power = min(max(exponent // 3, first), first + len(words) - 1)
    shift = exponent - 3 * power
    number = f"{float(f'{mantissa}e{shift}'):.{max(digits - 1 - shift, 0)}f}"
    return number.replace("-", "−"), power


def _word(base: str, power: int) -> str:
    first, words = _PREFIXES[base]
    return words[power - first]
