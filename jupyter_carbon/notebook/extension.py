"""Loading and unloading: what is put into a shell, and taken out again."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import jupyter_carbon
from jupyter_carbon.notebook.connection import Connection
from jupyter_carbon.notebook.hooks import Hooks, is_of_page
from jupyter_carbon.notebook.magics import CarbonMagics
from jupyter_carbon.notebook.transform import strip_carbon
from jupyter_carbon.process import ThisProcess
from jupyter_carbon.report.known import knowledge, place
from jupyter_carbon.session import Session
from jupyter_carbon.settings import Carbon

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: InteractiveShell) -> None:
    """Meter every cell of `shell` from now on; a second load changes nothing."""
    if CarbonMagics.of(shell) is not None:
        return
    settings, refused = Carbon.of(shell)
    session = ThisProcess.session(settings)
    session.note(*refused)
    session.notebook = session.notebook or shell.user_ns.get("__vsc_ipynb_file__")
    hooks = Hooks(shell, session)
    hooks.register()
    session.soon(lambda: import_module("jupyter_carbon.notebook.badge"))
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        hooks.connection = Connection(kernel, session, by_page=is_of_page(shell))
    # Appended: IPython's own clean-up comes first, and line numbers in tracebacks stay right.
    shell.input_transformers_cleanup.append(strip_carbon)
    CarbonMagics(shell, hooks).register()
    shell.configurables.append(session.settings)  # type: ignore[arg-type]
    told_anew = ["region", "pue", "tdp_w", "ledger", "live", "provider", "area"]
    session.settings.observe(lambda _: session.reconfigure(), names=told_anew)
    print(first_line(session))  # noqa: T201  (the one line on load)


def unload(shell: InteractiveShell) -> None:
    """Leave `shell` as it was before :func:`load`."""
    magics = CarbonMagics.of(shell)
    if magics is None:
        return
    magics.unregister()
    magics.hooks.unregister()
    if magics.hooks.connection is not None:
        magics.hooks.connection.close()
    shell.input_transformers_cleanup.remove(strip_carbon)
    session = magics.hooks.session
    session.end_lost(magics.hooks, "ok")  # the cell that unloads: no hook of ours will see its end
    ours: object = session.settings
    shell.configurables[:] = [held for held in shell.configurables if held is not ours]
    session.settings.unobserve_all()
    session.close()


def first_line(session: Session) -> str:
    """What is said when the extension is loaded: one line."""
    intensity = session.context().intensity
    notes = len(session.warnings)
    hint = f"; {notes} note{'s' * (notes > 1)}: %carbon doctor" if notes else ""
    guessed = {"region-guessed": " (guessed from the time zone)", "region-unknown": " (place unknown)"}
    why = "".join(guessed.get(flag, "") for flag in session.context().flags)
    return (
        f"jupyter_carbon {jupyter_carbon.__version__} meters every cell: {knowledge(session.meter.domains)}; "
        f"{place(intensity)}{why}{hint}"
    )
