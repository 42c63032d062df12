"""Intel's and AMD's own energy counters (RAPL), through Linux's powercap tree.

Counted are each socket's package and, outside it, its memory.  Never added: `core` and `uncore`, which lie inside the
package; the `intel-rapl-mmio` twin of a package; `psys`, which contains the packages and stands in only where there
is none.  Layout and units: Documentation/power/powercap/powercap.rst of the kernel.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeAlias

from jupyter_carbon.model import Component, Domain, Interval, SourceUnavailable
from jupyter_carbon.power.counter import LOOK_S, READ_ERRORS, FaultLog, Seconds, WrappingCounter, suspended_s
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.present import POWERCAP_SETTING, powercap
from jupyter_carbon.value import value

log = logging.getLogger(__name__)

REMEDY = """\
# As root, once.  The counters leak what other users compute (CVE-2020-8694), so a group may read them, not the world.
cat > /etc/udev/rules.d/70-rapl-energy.rules <<'RULE'
SUBSYSTEM=="powercap", KERNEL=="intel-rapl*:*", ACTION=="add|change", RUN+="/bin/sh -c 'cd /sys%p && chgrp energy energy_uj max_energy_range_uj && chmod g+r energy_uj max_energy_range_uj'"
RULE
groupadd -f energy
usermod -aG energy "$SUDO_USER"
udevadm control --reload
udevadm trigger --subsystem-match=powercap --action=add
# Then log in again: a group is taken up at login.
"""  # noqa: E501
"""The durable way to make the counters readable (a chmod is gone at the next start); `doctor` prints it."""

STEP_S = 1e-3
"""The counters move about once a millisecond (Intel SDM vol. 3B, "RAPL Interfaces")."""

SLOW_S = 3.0 * STEP_S
"""Whatever moves more often than this is taken to keep its time: what is seen of it is as late as the look."""
QUICK_LOOK_S, PACE_STEPS, PACE_LOOKS, PACE_FOR_S = 1e-3, 5, 20, 2.0
"""A counter's pace is known after so many slow steps or quick moves; it is not looked for any longer than this."""

DEFAULT_UNIT_J = 2.0**-14
"""One count of the register where its range is not told: 61 µJ, the SDM's default energy status unit."""

MICROJOULE_J = 1e-6

PACKAGE_SPREAD = Interval(0.95, 1.0, 1.05)
"""Haswell and newer measure, and follow the plug within about 5 % (Hackenberg et al. 2015, doi:10.1109/IPDPSW.2015.70;
Khan et al. 2018, doi:10.1145/3177754)."""
AMD_SPREAD = Interval(0.85, 1.0, 1.15)
"""AMD's counter is a model that does not see which data are computed on (Schöne et al. 2021, arXiv:2108.00808)."""
DRAM_SPREAD = Interval(0.8, 1.0, 1.2)
"""Measured on servers; on desktops off by a constant, so worst when idle (Desrochers et al. 2016,
doi:10.1145/2989081.2989088)."""

PACKAGE_IDLE_SHARE = 0.15
"""Idle power as a part of TDP, until the idle power of this machine is learned (between 0.05 and 0.30)."""
DRAM_IDLE_W_PER_GB = 0.2
"""Assumed, until learned: the low end of the models of memory in use (0.18 to 0.39 W/GB)."""

TURBO = 1.35
"""Most power over TDP where no limit is told: AMD's socket power limit is 1.35 x TDP (AM4: 142 W at 105 W)."""
PSYS_TURBO = 2.0
"""The same for a whole platform: its processor in turbo, and board, memory and screen beside it."""
UNKNOWN_SOCKET_W = 250.0
"""A server part's rating, where ours is a guess or that of a guest's few CPUs beside the whole socket's counter."""
NO_LIMIT_W = 1000.0
"""No socket draws this much: firmware writes such numbers (4,095 W) to say that it sets no limit."""
DRAM_MAX_W_PER_GB, DRAM_MAX_W = 0.5, 40.0
"""The most memory draws, per GB and at least: an 8 GB module 3 to 4 W, a 64 GB one 10 to 12 W, in their data sheets."""

DIES_AGREE = 1.0 / 500.0
"""Two dies can be told from copies when one step of the counter is at most this part of a rise: after 0.5 s."""

_ZONE = r"(intel-rapl(?:-\w+)?)((?::\d+)+)"
_PACKAGE = r"package-(\d+)(?:-die-(\d+))?"


@value
class _Zone:
    """One directory of the tree: ``intel-rapl:0:2`` has control ``intel-rapl`` and numbers ``(0, 2)``."""

    folder: Path
    control: str
    numbers: tuple[int, ...]
    name: str

    def number(self, file: str) -> int | None:
        """What a file of this zone says, None where it is missing, hidden, or not above zero."""
        try:
            number = int((self.folder / file).read_text())
        except (OSError, ValueError):
            return None
        return number if number > 0 else None

    def limit_w(self) -> float | None:
        """The highest power limit that this zone is set to."""
        limits_w = [
            uw * MICROJOULE_J
            for file in ("constraint_0_power_limit_uw", "constraint_1_power_limit_uw", "constraint_0_max_power_uw")
            if (uw := self.number(file)) is not None
        ]
        return max((limit_w for limit_w in limits_w if limit_w < NO_LIMIT_W), default=None)


class _Register:
    """The `energy_uj` of one zone, kept open: permission is asked for once."""

    def __init__(self, zone: _Zone) -> None:
        self.path = zone.folder / "energy_uj"
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as err:
            raise SourceUnavailable(
                f"{self.path} is not readable (since Linux 5.10 only root reads it); "
                "`jupyter carbon doctor` prints the rule that opens it to a group, for good",
                REMEDY,
            ) from err
        except OSError as err:
            raise SourceUnavailable(f"{self.path} cannot be opened: {err.strerror}") from err
        max_uj = zone.number("max_energy_range_uj")
        unit_j = DEFAULT_UNIT_J if max_uj is None else max_uj * MICROJOULE_J / 2**32
        # The register has 32 bits and starts again one count past its greatest value.
        self.range_j = None if max_uj is None else max_uj * MICROJOULE_J + unit_j
        self.resolution_j = max(unit_j, MICROJOULE_J)

    def read_j(self) -> float:
        """The register now."""
        return int(os.pread(self._descriptor, 32, 0)) * MICROJOULE_J

    def close(self) -> None:
        """Close the file; a later read fails, also when the descriptor's number has gone to another file."""
        os.close(self._descriptor)
        self._descriptor = -1


class _Pace:
    """How often a counter moves, found out by quick looks: behind some hypervisors RAPL is told ten times a second.

    `step_s` stays None for one that moves as often as the documents say, or never.
    """

    def __init__(self, joules: float, now_s: float) -> None:
        self.step_s: float | None = None
        self._seen_j, self._until_s = joules, now_s + PACE_FOR_S
        self._moved_s: float | None = None
        self._stood, self._quick_moves = False, 0
        self._steps_s: list[float] = []

    def look(self, joules: float, now_s: float) -> bool:
        """Take one more look; whether another is wanted."""
        if joules == self._seen_j:
            self._stood = True
        else:
            step_s = now_s - self._moved_s if self._moved_s is not None and self._stood else 0.0
            if step_s > SLOW_S:
                self._steps_s.append(step_s)
            else:
                self._quick_moves += 1
            self._seen_j, self._moved_s, self._stood = joules, now_s, False
        if len(self._steps_s) >= PACE_STEPS:
            self.step_s = sorted(self._steps_s)[PACE_STEPS // 2]
        return self.step_s is None and self._quick_moves < PACE_LOOKS and now_s < self._until_s


class _Dies:
    """The zones of one socket as one meter: added, unless they are copies of one register.

    AMD's Zen 1 and 2 show, under older kernels, one zone a die, each a copy of the socket's counter; multi-die Intel
    parts are truly several.  So the counters decide: those that rise alike, within one step, over two intervals are
    one.  Until then one of them is counted, which is noted as ``dies-undecided``; what was left out is added where
    they prove different.
    """

    def __init__(
        self, dies: Sequence[WrappingCounter], *, resolution_j: float, device: str, faults: FaultLog, clock: Seconds
    ) -> None:
        self._dies, self._counted = tuple(dies), tuple(dies[:1])
        self._resolution_j, self._device, self._faults, self._clock = resolution_j, device, faults, clock
        self._suspects: frozenset[int] | None = None  # looked like copies in the first interval
        self._undecided = True
        self._began_s, self._began_j, self._skew_s = self._look()
        self._seen_s = self._began_s

    def energy_j(self) -> float:
        """Joules of the socket since it was opened."""
        if self._undecided:
            self._compare()
        return sum(die.energy_j() for die in self._counted)

    def _look(self) -> tuple[float, list[float], float]:
        """When, how much by die, and how long that took."""
        asked_s = self._clock()
        now_j = [die.energy_j() for die in self._dies]
        return asked_s, now_j, self._clock() - asked_s

    def _compare(self) -> None:
        now_s, now_j, skew_s = self._look()
        self._faults.note(self._device, "dies-undecided", self._seen_s, now_s + skew_s)
        self._seen_s = now_s
        guessed = any(not fault.startswith("dies-undecided") for fault in self._faults.during(self._began_s, now_s))
        if not guessed:
            rises_j = [now - began for now, began in zip(now_j, self._began_j, strict=True)]
            # The zones are read one after the other: what is drawn meanwhile looks like part of a step.
            steps = (STEP_S + self._skew_s + skew_s) / max(now_s - self._began_s, STEP_S)
            step_j = max(rises_j) * steps + 2 * self._resolution_j
            if step_j > max(rises_j) * DIES_AGREE:
                return  # too short to tell copies from likes
            self._judge(rises_j, step_j)
        self._began_s, self._began_j, self._skew_s = now_s, now_j, skew_s

    def _judge(self, rises_j: Sequence[float], step_j: float) -> None:
        alike = frozenset(
            i for i, rise_j in enumerate(rises_j) if any(abs(rise_j - other_j) <= step_j for other_j in rises_j[:i])
        )
        copies = alike if self._suspects is None else alike & self._suspects
        self._undecided = bool(copies) and self._suspects is None
        self._suspects = copies
        if not self._undecided:
            self._counted = tuple(die for i, die in enumerate(self._dies) if i not in copies)


_Meter: TypeAlias = WrappingCounter | _Dies


@value
class _Plan:
    """A meter to be: its zones, and what is believed of them."""

    component: Component
    device: str
    zones: tuple[_Zone, ...]
    idle_w: float
    limit_w: float
    spread: Interval


class Rapl:
    """Joules of every CPU package and its memory since this object was opened."""

    name: ClassVar[str] = "rapl"
    components: ClassVar[tuple[Component, ...]] = ("cpu", "dram")

    def __init__(
        self,
        plans: Sequence[_Plan],
        meters: Mapping[Domain, _Meter],
        registers: ExitStack,
        faults: FaultLog,
        clock: Seconds,
    ) -> None:
        self.domains = tuple(meters)
        self.faults = faults
        self.idle_w: Mapping[str, float] = {plan.device: plan.idle_w for plan in plans}
        self.power_limit_w: Mapping[str, float] = {plan.device: plan.limit_w for plan in plans}
        self._reads = tuple((domain, meter.energy_j) for domain, meter in meters.items())
        self._registers = registers
        self._clock = clock
        self._paces: dict[str, _Pace] | None = None
        self._paced = False

    @classmethod
    def open(cls, host: Host, *, clock: Seconds = time.monotonic, suspended_s: Seconds = suspended_s) -> Rapl:
        """Every package, or none: a socket left out would be a silent part.  Memory where all of it is readable."""
        if host.is_slice and not host.is_vm:
            raise SourceUnavailable(
                f"only {host.logical_cpus} CPUs of the processor are shown here (as lxcfs does), and no CPU time but "
                "theirs: the counter of the whole processor could not be parted among those who use it"
            )
        folder = powercap(host)
        zones = _zones(folder)
        packages, memory = _packages(zones, host), _memory(zones, host)
        if not packages:
            raise SourceUnavailable(f"{folder} holds zones, but neither a CPU package nor the platform is among them")
        faults = FaultLog()
        with ExitStack() as registers:
            meter = partial(_meter, registers=registers, faults=faults, clock=clock, suspended_s=suspended_s)
            meters = dict(map(meter, packages))
            try:
                meters |= dict(map(meter, memory))
            except SourceUnavailable as err:
                log.debug("memory is modelled: %s", err)
                memory = []
            return cls([*packages, *memory], meters, registers.pop_all(), faults, clock)

    def energy_j(self) -> Mapping[Domain, float]:
        """Joules counted so far, by domain."""
        return {domain: read_j() for domain, read_j in self._reads}

    def watch(self) -> float:
        """Look whether the counters still move, and at first how often; the seconds until the next look."""
        told_j, now_s = self.energy_j(), self._clock()
        if self._paced:
            return LOOK_S
        if self._paces is None:
            self._paces = {domain.device: _Pace(joules, now_s) for domain, joules in told_j.items()}
        wanted = [self._paces[domain.device].look(joules, now_s) for domain, joules in told_j.items()]
        self._paced = not any(wanted)
        return QUICK_LOOK_S

    def edge_s(self) -> Mapping[str, float]:
        """By device, the step of a counter that moves more seldom than each millisecond, as it should."""
        return {device: pace.step_s for device, pace in (self._paces or {}).items() if pace.step_s is not None}

    def close(self) -> None:
        """Close the files."""
        self._registers.close()


def _zones(folder: Path) -> list[_Zone]:
    """Every zone below a powercap directory, whether its zones lie flat, as links, or inside each other."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as err:
        raise SourceUnavailable(
            f"{folder}: {err.strerror}.  This machine, or its hypervisor, shows no RAPL energy counter"
        ) from err
    zones: dict[str, _Zone] = {}
    to_visit = [entry for entry in entries if entry.name.startswith("intel-rapl")]
    masked = bool(to_visit) and not any(entry.exists() for entry in to_visit)
    while to_visit:
        entry = to_visit.pop()
        match = re.fullmatch(_ZONE, entry.name)
        if entry.name in zones or not entry.is_dir():
            continue
        if match:
            try:
                name = (entry / "name").read_text().strip()
            except OSError:
                name = ""  # no zone that we know
            zones[entry.name] = _Zone(entry, match[1], tuple(map(int, match[2][1:].split(":"))), name)
        to_visit += [inner for inner in entry.iterdir() if re.fullmatch(_ZONE, inner.name)]
    if masked:
        raise SourceUnavailable(
            f"{folder} holds links that lead nowhere: the container runtime masks /sys/devices/virtual/powercap",
            f"Mount that directory of the host read-only at another path and name the path in {POWERCAP_SETTING}.",
        )
    if not zones:
        raise SourceUnavailable(f"{folder} is empty: this machine, or its hypervisor, shows no RAPL energy counter")
    return sorted(zones.values(), key=lambda zone: (zone.control != "intel-rapl", zone.control, zone.numbers))


def _sockets(zones: Sequence[_Zone]) -> dict[int, list[_Zone]]:
    """The package zones of each socket; those of MMIO (later in `zones`) only where MSR has none."""
    sockets: dict[int, list[_Zone]] = {}
    for zone in zones:
        match = re.fullmatch(_PACKAGE, zone.name)
        if match and len(zone.numbers) == 1:
            siblings = sockets.setdefault(int(match[1]), [])
            if not siblings or siblings[0].control == zone.control:
                siblings.append(zone)
    return sockets


def _packages(zones: Sequence[_Zone], host: Host) -> list[_Plan]:
    """One meter for each socket; where there is none, one for the platform."""
    spread = AMD_SPREAD if "AMD" in (host.cpu_model or "") else PACKAGE_SPREAD
    idle_w = PACKAGE_IDLE_SHARE * host.tdp_w / host.sockets
    rated_w = host.tdp_w * host.tdp_spread.high / host.sockets
    if host.is_vm or not host.tdp_known:
        rated_w = max(rated_w, UNKNOWN_SOCKET_W)
    plans = []
    for socket, dies in sorted(_sockets(zones).items()):
        device = dies[0].name if len(dies) == 1 else f"package-{socket}"
        plans.append(_Plan("cpu", device, tuple(dies), idle_w, _limit_w(dies, rated_w, TURBO), spread))
    platform = [zone for zone in zones if zone.name == "psys"][:1]
    if not plans and platform:
        limit_w = _limit_w(platform, rated_w * host.sockets, PSYS_TURBO)
        plans.append(_Plan("cpu", "psys-0", tuple(platform), idle_w * host.sockets, limit_w, spread))
    return plans


def _limit_w(zones: Sequence[_Zone], rated_w: float, turbo: float) -> float:
    """The most these zones draw together: what they are set to, never below their rated power, else its turbo."""
    limits_w = [zone.limit_w() for zone in zones]
    set_w = sum(limit_w for limit_w in limits_w if limit_w is not None)
    return max(set_w, rated_w * turbo if None in limits_w else rated_w)


def _memory(zones: Sequence[_Zone], host: Host) -> list[_Plan]:
    ram_gb = host.ram_gb / host.sockets
    plans = []
    for socket, dies in sorted(_sockets(zones).items()):
        parents = {(die.control, die.numbers) for die in dies}
        drams = tuple(z for z in zones if z.name == "dram" and (z.control, z.numbers[:-1]) in parents)
        if drams:
            limit_w = max(DRAM_MAX_W, DRAM_MAX_W_PER_GB * ram_gb)
            plans.append(_Plan("dram", f"dram-{socket}", drams, DRAM_IDLE_W_PER_GB * ram_gb, limit_w, DRAM_SPREAD))
    return plans


def _meter(
    plan: _Plan, *, registers: ExitStack, faults: FaultLog, clock: Seconds, suspended_s: Seconds
) -> tuple[Domain, _Meter]:
    counters = []
    resolution_j = MICROJOULE_J
    for zone in plan.zones:
        register = registers.enter_context(closing(_Register(zone)))
        try:
            if register.range_j is None and register.read_j() == 0.0:
                raise SourceUnavailable(f"{register.path} is a dead counter: it shows 0 and no range")
            counter = WrappingCounter(
                register.read_j,
                range_j=register.range_j,
                max_w=plan.limit_w,
                expected_w=plan.idle_w,
                device=plan.device,
                faults=faults,
                step_s=STEP_S,
                rests=lambda: False,
                clock=clock,
                suspended_s=suspended_s,
            )
        except READ_ERRORS as err:
            raise SourceUnavailable(f"{register.path} does not answer with a number: {err}") from err
        counters.append(counter)
        resolution_j = max(resolution_j, register.resolution_j)
    domain = Domain(plan.component, plan.device, Rapl.name, "measured", resolution_j, STEP_S, plan.spread)
    if len(counters) == 1:
        return domain, counters[0]
    return domain, _Dies(counters, resolution_j=resolution_j, device=plan.device, faults=faults, clock=clock)
