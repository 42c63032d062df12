"""What was calibrated, one file for each machine, in Jupyter's data directory."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from jupyter_carbon.calibration.fit import Point, WallFit
from jupyter_carbon.model import CarbonError, Domain
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.power.host import Host
from jupyter_carbon.value import value

log = logging.getLogger(__name__)

FORMAT = 1


@value
class Calibration:
    """What is known of one machine; `wall_at`, `idle_at` and the curves' `at` are the days (ISO 8601) on which it was
    measured.  `source` says how the devices were counted then: a fit to measured joules does not serve modelled ones.
    `gpus` are its cards, by UUID, and `idle_w` is what each measured device draws at rest, by its name."""

    wall: WallFit | None = None
    wall_at: str = ""
    source: str = ""
    cpu: CpuCurve | None = None
    idle_w: Mapping[str, float] = field(default_factory=dict)
    idle_at: str = ""
    gpus: Mapping[str, GpuCurve] = field(default_factory=dict)


NOTHING = Calibration()


def machine_of(host: Host) -> str:
    """A name for this machine that tells nothing about it; homes are shared between machines."""
    known = "\n".join(
        (
            _text(host.root / "etc/machine-id"),
            _text(host.root / "sys/class/dmi/id/board_name"),
            host.cpu_model or "",
            str(host.logical_cpus),
        )
    )
    return hashlib.sha1(known.encode(), usedforsecurity=False).hexdigest()[:16]


def counted_by(domains: Iterable[Domain], idle_w: Mapping[str, float]) -> str:
    """How devices are counted: a fit to one way does not serve another.  A model is the same while its idle watts are:
    they move with the rated power that it is told, and with its own calibration."""
    ways = {
        f"{domain.component}:{domain.device}:{domain.source}"
        + (f"@{idle_w[domain.device]:.4g}" if domain.quality != "measured" and domain.device in idle_w else "")
        for domain in domains
    }
    return " ".join(sorted(ways))


class Store:
    """The file of one machine."""

    def __init__(self, folder: Path, host: Host) -> None:
        self.path = folder / f"{machine_of(host)}.json"

    def load(self) -> Calibration:
        """What is stored; nothing where there is none, or where it cannot be read."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return _from_dict(data)
        except FileNotFoundError:
            return NOTHING
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            log.debug("calibration not read: %s", err)
            return NOTHING

    def save(self, calibration: Calibration) -> None:
        """Store it whole, or raise and leave what was there."""
        text = json.dumps({"format": FORMAT, **asdict(calibration)}, indent=1)
        new = self.path.with_suffix(f".{os.getpid()}.new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_text(text, encoding="utf-8")
            new.replace(self.path)
        except OSError as err:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise CarbonError(f"the calibration cannot be stored in {self.path.parent}: {err.strerror}") from err

    def forget(self) -> bool:
        """Whether there was one."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as err:
            raise CarbonError(f"{self.path} cannot be removed: {err.strerror}") from err
        return True


def _from_dict(data: Mapping[str, Any]) -> Calibration:
    if data["format"] != FORMAT:
        raise ValueError(f"a calibration of format {data['format']}")
    wall, cpu = data["wall"], data["cpu"]
    return Calibration(
        wall=wall
        and WallFit(
            factor=float(wall["factor"]),
            base_w=float(wall["base_w"]),
            residual_w=float(wall["residual_w"]),
            residual=float(wall["residual"]),
            points=tuple(Point(float(point["devices_w"]), float(point["wall_w"])) for point in wall["points"]),
        ),
        wall_at=str(data["wall_at"]),
        source=str(data["source"]),
        cpu=cpu and CpuCurve(float(cpu["idle_w"]), float(cpu["full_w"]), str(cpu["at"])),
        gpus={str(key): _gpu_curve(card) for key, card in data["gpus"].items()},
        idle_w={str(device): float(watts) for device, watts in data["idle_w"].items()},
        idle_at=str(data["idle_at"]),
    )


def _gpu_curve(card: Mapping[str, Any]) -> GpuCurve:
    return GpuCurve(
        device=str(card["device"]),
        model=str(card["model"]),
        idle_w=float(card["idle_w"]),
        full_w=float(card["full_w"]),
        exponent=float(card["exponent"]),
        residual=float(card["residual"]),
        at=str(card["at"]),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
