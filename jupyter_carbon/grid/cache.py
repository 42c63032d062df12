"""What a live source has said, on disk beside the ledger: a restarted kernel starts warm, and all kernels ask once.

One file for each source and place, of numbers as they were published.  It names no key and no part of a region; a file
for a part has a digest in its name instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from jupyter_carbon.grid.region import Region
from jupyter_carbon.grid.series import RANKS, iso, seconds
from jupyter_carbon.model import Basis, CarbonIntensity, Interval, Method
from jupyter_carbon.value import value

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

FORMAT = 1

KEPT_S = 8 * 86_400.0
"""How long a past slot is kept: what settles late rows, and a week to compare forecasts with."""

STATUSES = tuple(RANKS)
_BASES: tuple[Basis, ...] = ("lifecycle", "direct")


@value
class Stored:
    """What is known of one source and place, and when it may be asked again (seconds since the epoch)."""

    slots: tuple[CarbonIntensity, ...] = ()
    retrieved_s: float = 0.0
    not_before_s: float = 0.0
    failures: int = 0


def merged(old: Iterable[CarbonIntensity], new: Iterable[CarbonIntensity], now_s: float) -> tuple[CarbonIntensity, ...]:
    """Both, in order: of each slot and status the newer; what is long past is dropped.

    A slot's forecast is kept beside its actual: together they tell how good the forecasts are.
    """
    oldest = iso(now_s - KEPT_S)
    newest = {(slot.start or "", slot.status): slot for slot in (*old, *new)}
    return tuple(slot for (start, _), slot in sorted(newest.items(), key=lambda item: item[0]) if start >= oldest)


class Cache:
    """One file; safe for many processes.  Where nothing can be written, what is known stays in memory."""

    def __init__(
        self, folder: Path, source: str, place: Region, method: Method, credit: str, *, part: str = ""
    ) -> None:
        """`part` is what narrows the place, in the source's words."""
        name = f"{source}-{place.code}".replace(":", "-").casefold()
        if part:
            name += "-" + hashlib.blake2b(part.encode(), digest_size=6).hexdigest()
        self.path = folder / f"{name}.json"
        self._place, self._method, self._credit = place, method, credit
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> Stored | None:
        """What is on disk, if anybody has written since the last look."""
        try:
            with self.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                seen = stat.st_ino, stat.st_mtime_ns, stat.st_size
                if seen == self._seen:
                    return None
                stored = self._stored(json.loads(file.read()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, LookupError) as err:
            log.debug("%s is not readable: %s", self.path.name, type(err).__name__)
            return None
        self._seen = seen
        return stored

    def write(self, stored: Stored) -> None:
        """Put it in place of what is there, whole."""
        fresh = self.path.with_suffix(f".{os.getpid()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump(self._told(stored), file, separators=(",", ":"))
                file.flush()
                stat = os.fstat(file.fileno())
            os.replace(fresh, self.path)
        except OSError as err:
            log.debug("%s is not written: %s", self.path.name, err.strerror)
            with contextlib.suppress(OSError):
                fresh.unlink()
        else:
            self._seen = stat.st_ino, stat.st_mtime_ns, stat.st_size

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether it is ours to ask the source now; False while another process does.  Where there are no locks,
        everybody may: then a slot is asked for twice, and the last answer stands."""
        if fcntl is None:
            yield True
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError:
            yield True
            return
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            except OSError:  # a file system without locks
                yield True
            else:
                yield True
        finally:
            os.close(descriptor)

    def _told(self, stored: Stored) -> dict[str, object]:
        return {
            "format": FORMAT,
            "region": self._place.code,
            "method": self._method,
            "credit": self._credit,
            "retrieved_s": stored.retrieved_s,
            "not_before_s": stored.not_before_s,
            "failures": stored.failures,
            "slots": [_row(slot) for slot in stored.slots],
        }

    def _stored(self, told: dict[str, object]) -> Stored:
        if told["format"] != FORMAT or told["region"] != self._place.code or told["method"] != self._method:
            raise ValueError("another format, region or method")
        rows = cast("list[list[float]]", told["slots"])
        return Stored(
            slots=tuple(self._slot(row) for row in rows),
            retrieved_s=float(cast("float", told["retrieved_s"])),
            not_before_s=float(cast("float", told["not_before_s"])),
            failures=int(cast("int", told["failures"])),
        )

    def _slot(self, row: list[float]) -> CarbonIntensity:
        start_s, length_s, low, likely, high, status, basis = row
        return CarbonIntensity(
            gco2e_per_kwh=Interval(float(low), float(likely), float(high)),
            region=self._place.code,
            name=self._place.name,
            basis=_BASES[int(basis)],
            method=self._method,
            status=STATUSES[int(status)],
            source=self._credit,
            year=None,
            start=iso(start_s),
            end=iso(start_s + length_s),
        )


def _row(slot: CarbonIntensity) -> list[float]:
    """Start, length, the three grams to 0.01 g, status and basis by their numbers."""
    start_s, grams = seconds(slot.start), slot.gco2e_per_kwh
    return [
        round(start_s),
        round(seconds(slot.end) - start_s),
        round(grams.low, 2),
        round(grams.likely, 2),
        round(grams.high, 2),
        STATUSES.index(slot.status),
        _BASES.index(slot.basis),
    ]
