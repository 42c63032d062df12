"""What a process has one of: its session, and with it a ledger, a place and what is known of grids."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from jupyter_carbon.grid import region as regions
from jupyter_carbon.session import Session, grid_beside, ledger_of
from jupyter_carbon.settings import Carbon

if TYPE_CHECKING:
    from jupyter_carbon.grid.live import Live

LOOK_S = 0.25
"""How long a script's first block waits at most for what the tables know of its place's hours; for no network."""


class ThisProcess:
    """Opens its session on first use: there is one meter, one ticker, one journal."""

    _session: ClassVar[Session | None] = None
    _opening: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def session(cls, settings: Carbon | None = None) -> Session:
        """The session of this process; `settings` are those of a shell.

        A forked child's work is counted by its parent already: the child's own session writes no rows.
        """
        with cls._opening:
            last = cls._session
            if last is None or last.closed:
                forked = last is not None and not last.is_of_this_process
                if last is None and hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=cls._forget)
                cls._session = last = Session(settings or Carbon(), recording=not forked, forked=forked)
                if settings is None:  # a script: no line of ours at its begin speaks of notes
                    last.books.say_all()
                    if last.settings.region:  # what is known of its hours, before its first block ends
                        last.wait_for_hours(LOOK_S)
            elif settings is not None and settings is not last.settings:
                last.take(settings)
            return last

    @classmethod
    def _forget(cls) -> None:
        """In a forked child: another thread of the parent's may have held it."""
        cls._opening = threading.Lock()

    @classmethod
    def ledger_path(cls) -> Path:
        """Where this process writes, or would."""
        return ledger_of(_settings()) if cls._session is None else cls._session.ledger_path

    @classmethod
    def place(cls) -> regions.Region:
        """Where this process takes its electricity, by its settings or as far as the machine knows."""
        if cls._session is not None:
            return cls._session.surroundings.place()[0]
        settings = _settings()
        return regions.resolve(settings.region) if settings.region else regions.guess()

    @classmethod
    def live(cls) -> Live:
        """What is known of grids in this process: the session's, or one by the settings it would have."""
        if cls._session is not None and not cls._session.closed:
            return cls._session.hours.live
        from jupyter_carbon.grid.live import Live  # noqa: PLC0415  (when somebody asks)

        settings = _settings()
        return Live(
            grid_beside(ledger_of(settings)),
            os.environ,
            enabled=settings.live,
            provider=settings.provider,
            area=settings.area,
        )


def _settings() -> Carbon:
    settings = Carbon()
    settings.fill_from(os.environ)
    return settings
