"""The process that makes a powercap tree count: ``drive.py SPEC`` rewrites each register every millisecond.

It runs before all others (SCHED_FIFO) where that is allowed, and says at its end how late it ever was: a bench that
was held up is no bench.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.machine import Trouble, Zone
from bench.profile import Profile

LATE_S = 0.003


def build(folder: Path, zones: tuple[Zone, ...]) -> None:
    """The tree as the kernel lays it out below /sys/class/powercap, with links that stay inside it."""
    for zone in zones:
        control, *numbers = zone.id.split(":")
        home = folder / control
        if not home.is_dir():
            home.mkdir(parents=True)
            (home / "subsystem").symlink_to("..")
            (home / "enabled").write_text("1\n")
        ids = [":".join([control, *numbers[:depth]]) for depth in range(1, len(numbers) + 1)]
        place = home.joinpath(*ids)
        place.mkdir()
        (place / "name").write_text(f"{zone.name}\n")
        (place / "enabled").write_text("1\n")
        if zone.max_uj is not None:
            (place / "max_energy_range_uj").write_text(f"{zone.max_uj}\n")
        (place / "energy_uj").write_bytes(_text(zone.start_uj))
        (folder / zone.id).symlink_to(os.path.relpath(place, folder))


def to_json(zones: tuple[Zone, ...]) -> list[dict[str, Any]]:
    return [{**vars(z), "profile": z.profile.text, "troubles": [vars(t) for t in z.troubles]} for z in zones]


def _text(uj: int) -> bytes:
    """24 bytes, always as many, so no reader sees half of two numbers."""
    return str(uj).encode().ljust(24, b"\n")


@dataclass
class Register:
    """One `energy_uj`."""

    zone: Zone
    path: Path
    descriptor: int
    shift_uj: float = 0.0
    held_uj: int | None = None
    open: bool = True

    def write(self, t_s: float) -> None:
        zone = self.zone
        ticks_s = int(t_s / zone.step_s) * zone.step_s if zone.step_s > 1e-3 else t_s
        uj = zone.start_uj + zone.profile.energy_j(ticks_s) * 1e6
        freeze = fail = lost = False
        shift_uj = 0.0
        for trouble in zone.troubles:
            if trouble.kind == "jump" and t_s >= trouble.from_s:
                shift_uj += trouble.j * 1e6
            elif trouble.kind == "reset" and t_s >= trouble.from_s:
                shift_uj -= zone.start_uj + zone.profile.energy_j(trouble.from_s) * 1e6
            elif trouble.from_s <= t_s < trouble.to_s:
                freeze |= trouble.kind == "freeze"
                fail |= trouble.kind == "fail"
                lost |= trouble.kind == "lost"
        whole_uj = round(uj + shift_uj)
        if zone.max_uj is not None:
            whole_uj %= zone.max_uj + round(zone.max_uj / 2**32)
        if freeze:
            whole_uj = self.held_uj if self.held_uj is not None else whole_uj
        self.held_uj = whole_uj
        if lost == self.open:
            self.open = not lost
            self.path.chmod(0o000 if lost else 0o444)
        if fail:
            os.ftruncate(self.descriptor, 0)
        else:
            os.pwrite(self.descriptor, _text(whole_uj), 0)


def main(spec_path: str) -> None:
    spec = json.loads(Path(spec_path).read_text())
    folder, t0_s = Path(spec["folder"]), spec["t0_s"]
    registers = []
    for item in spec["zones"]:
        zone = Zone(
            **{
                **item,
                "profile": Profile.parse(item["profile"]),
                "troubles": tuple(Trouble(**trouble) for trouble in item["troubles"]),
            }
        )
        path = folder / zone.id / "energy_uj"
        registers.append(Register(zone, path.resolve(), os.open(path, os.O_WRONLY)))
    with contextlib.suppress(OSError):  # not root: the neighbours may hold it up, and it tells
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # cells that spin do so on another
    going = True

    def stop(*_: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    late: list[tuple[float, float]] = []
    last_s = time.monotonic()
    next_s = last_s
    while going:
        next_s = max(next_s + 1e-3, time.monotonic())
        time.sleep(max(0.0, next_s - time.monotonic()))
        now_s = time.monotonic()
        if now_s - last_s > LATE_S:
            late.append((last_s, now_s))
        last_s = now_s
        for register in registers:
            register.write(time.monotonic() - t0_s)
    print(json.dumps(late), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
