"""`%carbon live`: the panel's own view as a widget, for VS Code, Colab and notebooks that have no Carbon panel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_carbon.notebook.connection import Connection
    from jupyter_carbon.notebook.wire import Snapshot

STATIC = Path(__file__).parents[1] / "static"
"""Where the panel's build leaves its view; a checkout without Node has none."""


def live(connection: Connection | None) -> object | None:
    """A widget that shows the session as it goes; None without a kernel, without anywidget or without the built view.

    To be made on the main thread.
    """
    channel = None if connection is None else connection.channel()
    shell = None if connection is None else connection.kernel.shell
    if connection is None or channel is None or shell is None or not (STATIC / "view.js").is_file():
        return None
    try:
        from anywidget import AnyWidget  # noqa: PLC0415  (optional: an extra)
        from traitlets import Dict  # noqa: PLC0415
    except ImportError:
        return None

    class LiveCarbon(AnyWidget):
        """One dictionary that is replaced whole: two traits set one after the other would be drawn apart."""

        _esm = STATIC / "view.js"
        _css = STATIC / "view.css"
        snapshot = Dict().tag(sync=True)

    session = connection.session
    channel.looked_at = True
    widget = LiveCarbon(snapshot=channel.snapshot(session.open_cells))

    def look(snapshot: Snapshot) -> None:
        """Live, on the ticker's thread: the widget's own `send` would need the context of a request there."""
        comm = widget.comm
        if comm is None:
            connection.looks.remove(look)
            shell.events.unregister("post_run_cell", ended)
            return
        connection.send(comm.comm_id, {"method": "update", "state": {"snapshot": snapshot}, "buffer_paths": []})

    def told(_: object, content: Any, __: object) -> None:
        """A question from the view, on the main thread."""
        session.boundary.run(lambda: widget.send(channel.answer(content, session.open_cells)))

    def ended(_: object) -> None:
        """The whole, on the main thread: some front ends (Colab) draw nothing that a thread sends."""

        def whole() -> None:
            session.account()
            widget.snapshot = dict(channel.snapshot())

        session.boundary.run(whole)

    connection.looks.append(look)
    shell.events.register("post_run_cell", ended)
    widget.on_msg(told)
    return widget
