"""How a number is known, in words: measured or modelled, and by whose grid.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jupyter_carbon.model import CarbonIntensity, Component, Domain, Quality, Share

COMPONENTS: Mapping[Component, str] = {"cpu": "CPU", "dram": "memory", "ram": "memory", "gpu": "GPU"}
QUALITIES: tuple[Quality, ...] = ("measured", "modelled", "assumed")


def quality_of(shares: Iterable[Share]) -> Quality:
    """The worst that any joule is known by: a sum is no better than its parts."""
    return max((share.domain.quality for share in shares), key=QUALITIES.index, default="assumed")


def knowledge(domains: Iterable[Domain]) -> str:
    """How each part is known: ``"CPU measured, memory modelled"``."""
    seen: dict[Quality, dict[str, None]] = {}
    for domain in domains:
        seen.setdefault(domain.quality, {})[COMPONENTS[domain.component]] = None
    return ", ".join(f"{' and '.join(seen[quality])} {quality}" for quality in QUALITIES if quality in seen)


def place(intensity: CarbonIntensity) -> str:
    """The intensity with its place, method, basis and period."""
    basis = "life cycle" if intensity.basis == "lifecycle" else "direct"
    number = f"{intensity.gco2e_per_kwh.likely:.3g} g/kWh"
    return f"{number} · {intensity.name} · {intensity.method}, {basis} · {_period(intensity)}"


def _period(intensity: CarbonIntensity) -> str:
    """What time the number is of, and how it is known of that."""
    start, end = intensity.start, intensity.end
    if start is None or end is None:
        return f"{intensity.year or intensity.status}"
    days = ("", "") if start[:10] == end[:10] else (f"{start[:10]} ", f"{end[:10]} ")
    hours = f"{days[0]}{start[11:16]} – {days[1]}{end[11:16]} UTC"
    if intensity.status == "yearly":
        return f"an average {hours} of this month in {intensity.year}"
    return f"{intensity.status}, {hours}"
