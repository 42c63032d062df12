"""A session's meter looked after: what is found of it, whether its numbers move, and its calibration.

Off every cell's path; what it needs is imported when somebody asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from jupyter_carbon.calibration.place import folder

if TYPE_CHECKING:
    from jupyter_carbon.bookkeeper import Bookkeeper
    from jupyter_carbon.boundary import Boundary
    from jupyter_carbon.calibration.procedure import Calibrator
    from jupyter_carbon.calibration.store import Calibration, Store
    from jupyter_carbon.hours import Hours
    from jupyter_carbon.meter.meter import Meter
    from jupyter_carbon.power import Refusal
    from jupyter_carbon.power.host import Host
    from jupyter_carbon.report.doctor import Finding
    from jupyter_carbon.surroundings import Surroundings


def store_of(environ: Mapping[str, str], host: Host) -> Store:
    """Where a machine's calibration is kept."""
    from jupyter_carbon.calibration.store import Store  # noqa: PLC0415  (where something was calibrated)

    return Store(folder(environ), host)


def calibration_of(environ: Mapping[str, str], host: Host) -> Calibration | None:
    """What was calibrated on a machine; where nothing ever was, nothing is imported to find that out."""
    return store_of(environ, host).load() if folder(environ).is_dir() else None


class Upkeep:
    """Examines, tests and calibrates the meter of one session.

    `reconfigure` has the next cell told by what was calibrated.
    """

    def __init__(
        self,
        meter: Meter,
        surroundings: Surroundings,
        *,
        hours: Hours,
        books: Bookkeeper,
        boundary: Boundary,
        refusals: Callable[[], Sequence[Refusal]],
        environ: Mapping[str, str],
        reconfigure: Callable[[], None],
    ) -> None:
        self._meter, self._surroundings = meter, surroundings
        self._hours, self._books, self._boundary = hours, books, boundary
        self._refusals, self._environ, self._reconfigure = refusals, environ, reconfigure
        self._calibrator: Calibrator | None = None
        self._epoch_s = time.time() - time.monotonic()

    def findings(self) -> tuple[Finding, ...]:
        """What `doctor` says: sources, machine, place, ledger, and what went wrong so far."""
        from jupyter_carbon.power.counter import suspended_s  # noqa: PLC0415  (when somebody asks)
        from jupyter_carbon.report.doctor import (  # noqa: PLC0415
            Finding,
            examine,
            of_calibration,
            of_clock,
            of_grid,
            of_ledger,
        )

        host, context = self._surroundings.host, self._surroundings.context()
        return (
            *examine(host, self._meter.sources, self._refusals(), context),
            of_calibration(self._surroundings.calibration, context, host),
            of_clock(suspended_s(), time.time() - time.monotonic() - self._epoch_s),
            *of_grid(self._hours.states),
            of_ledger(self._books.path, self._books.trouble if self._books.recording else None),
            *(Finding("warning", "problem", text) for text in self._books.warnings),
            *(Finding("fault", "problem", text) for text in self._boundary.faults),
        )

    def self_test(self) -> tuple[Finding, ...]:
        """Ten seconds of a known load, and whether the numbers move as they must."""
        from jupyter_carbon.report.self_test import findings  # noqa: PLC0415  (when somebody asks)

        return findings(self._meter, self._surroundings.context(), self._surroundings.host)

    @property
    def calibrator(self) -> Calibrator:
        """Calibrates this machine."""
        if self._calibrator is None:
            from jupyter_carbon.calibration.procedure import Calibrator  # noqa: PLC0415  (when somebody asks)

            host = self._surroundings.host
            self._calibrator = Calibrator(
                self._meter,
                self._surroundings.context,
                host,
                store_of(self._environ, host),
                before=self._surroundings.wall_of_its_kind,
                on_new=self._calibrated,
            )
        return self._calibrator

    def _calibrated(self, calibration: Calibration) -> None:
        self._surroundings.calibration = calibration
        self._reconfigure()
