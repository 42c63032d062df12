"""The machine, the place and who else meters here: what turns a session's joules into a footprint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_carbon.grid import region as regions
from jupyter_carbon.grid import static
from jupyter_carbon.model import ONE, Context, Domain, Interval, UnknownRegion, WallModel
from jupyter_carbon.power import PowerSource
from jupyter_carbon.power.host import Host, machine_share, platform_wall_model, wall_model
from jupyter_carbon.settings import Carbon
from jupyter_carbon.value import replace

if TYPE_CHECKING:
    from jupyter_carbon.calibration.store import Calibration

GIVEN_PUE = Interval(0.98, 1.0, 1.02)
"""A PUE that somebody states is a yearly mean of a building: good to a few per cent in one hour (assumed)."""


class Surroundings:
    """Makes one context for each place that is asked for, and all of them anew when something has changed."""

    def __init__(
        self,
        settings: Carbon,
        root: Path,
        environ: Mapping[str, str],
        *,
        sources: Callable[[], Sequence[PowerSource]],
        inside_another: bool = False,
        calibration: Callable[[Host], Calibration | None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self._root, self._environ, self._sources = root, environ, sources
        self._found_host = Host.detect(root, environ)
        self.calibration = calibration(self._found_host)
        self.host = self._rated_host()
        self._sessions_here = self._sessions_in_memory = 1
        self._inside_another = inside_another
        self._contexts: dict[str | None, Context] = {}
        self._making = threading.RLock()  # re-entrant: a signal may land on the thread that holds it
        self._refused_regions: dict[str, str] = {}

    def context(self, region: str | None = None) -> Context:
        """What turns joules into a footprint here, or in another `region`; made once for each."""
        context = self._contexts.get(region)
        if context is None:
            with self._making:  # a load asks for it on two threads at once
                context = self._contexts.get(region) or self._contexts.setdefault(region, self._make(region))
        return context

    @property
    def asked_for(self) -> tuple[str | None, ...]:
        """The places that a context was made for."""
        return tuple(self._contexts)

    def renew(self) -> None:
        """Sources, settings or neighbours have changed: the contexts are made anew, here, not on a cell's path."""
        self._contexts = {region: self._make(region) for region in tuple(self._contexts)}

    def share_with(self, sessions_here: int, sessions_in_memory: int, *, inside_another: bool) -> None:
        """So many sessions meter this machine, and so many of them live off the memory that is allotted to us: idle
        power is shared among all, memory among those."""
        new = sessions_here, sessions_in_memory, inside_another
        if new != (self._sessions_here, self._sessions_in_memory, self._inside_another):
            self._sessions_here, self._sessions_in_memory, self._inside_another = new
            self.renew()

    def rate(self) -> bool:
        """Take the rated power that the settings give; whether the machine is another one now."""
        host = self._rated_host()
        changed = host != self.host
        self.host = host
        return changed

    def refusal(self, region: str | None) -> str | None:
        """What was wrong with a region that was asked for, with its near matches."""
        return self._refused_regions.get(region) if region else None

    def place(self, region: str | None = None) -> tuple[regions.Region, tuple[str, ...]]:
        """Where the electricity comes from, with a flag where that is a guess or was refused."""
        refused: tuple[str, ...] = ()
        for text in (region, self.settings.region):
            if text:
                try:
                    return regions.resolve(text), refused
                except UnknownRegion as err:
                    refused = ("region-refused",)
                    self._refused_regions[text] = str(err)
        place = regions.guess(root=self._root, environ=self._environ)
        guessed = {"time zone": ("region-guessed",), "default": ("region-unknown",)}.get(place.how, ())
        return place, refused + guessed

    def _rated_host(self) -> Host:
        """The machine as it was found, with the rated power that somebody gave."""
        watts = self.settings.tdp_w
        host, known = self._found_host, self.calibration
        if known is not None:
            host = replace(host, curve=known.cpu, gpu_curves=known.gpus)
        if watts is None:
            return host
        return replace(host, tdp_w=watts, tdp_source="given by you", tdp_known=True, tdp_spread=ONE)

    def _pue(self, place: regions.Region) -> tuple[Interval, str]:
        if self.settings.pue is not None:
            return GIVEN_PUE.scaled(self.settings.pue), "given by you"
        return static.pue(place, self.host.chassis)

    def wall_of_its_kind(self) -> WallModel:
        """What is known of this kind of machine at the plug, calibrated or not."""
        domains = (domain for source in self._sources() for domain in source.domains)
        by_platform = any(domain.device.startswith("psys") for domain in domains)
        return platform_wall_model(self.host) if by_platform else wall_model(self.host)

    def _wall(self, domains: Sequence[Domain], idle_w: Mapping[str, float]) -> WallModel:
        """What was calibrated here, as long as the devices are counted as they were then."""
        known = self.calibration
        if known is not None and known.wall is not None:
            from jupyter_carbon.calibration.fit import wall_model as fitted  # noqa: PLC0415  (few machines are calibrated)
            from jupyter_carbon.calibration.store import counted_by  # noqa: PLC0415

            if known.source == counted_by(domains, idle_w):
                return fitted(known.wall, kind=self.host.chassis, at=known.wall_at)
        return self.wall_of_its_kind()

    def _make(self, region: str | None) -> Context:
        place, flags = self.place(region)
        host, sources = self.host, self._sources()
        pue, pue_source = self._pue(place)
        water = static.water_l_per_kwh(place)
        idle_share = min(host.cpu_share, 1.0 / self._sessions_here)
        domains = tuple(domain for source in sources for domain in source.domains)
        idle_w = {device: w for source in sources for device, w in source.idle_w.items()}
        embodied = self._embodied(idle_share)
        return Context(
            domains=domains,
            n_cpu=host.logical_cpus,
            idle_share=idle_share,
            ram_share=1.0 / self._sessions_in_memory,
            kernel_share=1.0 / self._sessions_here,
            idle_w=idle_w,
            power_limit_w={device: w for source in sources for device, w in source.power_limit_w.items()},
            gpus_allotted=tuple(d for source in sources for d in getattr(source, "allotted", ())),
            wall=self._wall(domains, idle_w),
            pue=pue,
            pue_source=pue_source,
            intensity=static.intensity(place),
            embodied_gco2e_per_h=embodied and embodied[0],
            embodied_source=embodied and embodied[1],
            water_l_per_kwh=water and water[0],
            water_source=water and water[1],
            flags=(*flags, "inside-another") if self._inside_another else flags,
        )

    def _embodied(self, idle_share: float) -> tuple[Interval, str] | None:
        """Grams of manufacture that an hour of ours carries, shared as idle power is: the machine, and the cards that
        are allotted to us."""
        host, sources = self.host, self._sources()
        found = static.embodied_gco2e_per_h(host.chassis)
        if found is None:
            return None
        per_h, said = found
        part = machine_share(host)
        if part is not ONE:
            said += f", {part.likely:.1%} of a server for {host.logical_cpus} vCPUs (assumed)"
        per_h = (per_h * part).scaled(idle_share)
        allotted = {device for source in sources for device in getattr(source, "allotted", ())}
        cards = [
            card
            for source in sources
            for device, card in getattr(source, "cards", {}).items()
            if not allotted or device in allotted
        ]
        if not cards:
            return per_h, said
        of_cards = static.gpus_gco2e_per_h(cards).scaled(1.0 / self._sessions_here)
        return per_h.plus_together(of_cards), f"{said}, and {sum(part for _, part in cards):.3g} GPU"
