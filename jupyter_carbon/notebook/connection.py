"""A kernel's door to the panels: snapshots go out of it, questions come in.

Snapshots are raw `comm_msg`s on one id that nobody opens: they reach every page and survive a reload, and the kernel's
busy indicator stays right (an opened comm on a subshell makes JupyterLab show an idle kernel).  Nothing here runs on a
cell's path; what a snapshot looks like is imported on the ticker's thread, what an answer takes when it is asked for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipykernel.ipkernel import IPythonKernel

    from jupyter_carbon.notebook.channel import Channel
    from jupyter_carbon.notebook.wire import Snapshot
    from jupyter_carbon.session import Session

log = logging.getLogger("jupyter_carbon")

COMM_ID = "jupyter-carbon-live"
"""Snapshots are `comm_msg`s on this id.  Nobody opens it: front ends that do not know us drop them without a word."""

TARGET = "jupyter_carbon"
"""Questions are `comm_open`s on this target."""

PATIENCE_S = 5.0
"""How long a question waits for a session that is still opening its drivers."""


class Connection:
    """A kernel whose session panels may look at, from here until `close`."""

    def __init__(self, kernel: IPythonKernel, session: Session, *, by_page: bool) -> None:
        """`by_page`: a page has asked for it, and hears at once that it is there."""
        self.session = session
        self.looks: list[Callable[[Snapshot], None]] = []
        """Who else wants each snapshot: the widgets of this kernel."""
        self.kernel = kernel
        self._channel: Channel | None = None
        self._ready = threading.Event()
        kernel.comm_manager.register_target(TARGET, self._asked)
        session.settings.observe(self._switched, names=["metering"])
        session.watch(self._comes)
        if by_page:
            session.call()

    def close(self) -> None:
        """From now on questions find nobody."""
        self.kernel.comm_manager.unregister_target(TARGET, self._asked)

    def channel(self) -> Channel | None:
        """The channel, as soon as the session's drivers have answered; None when they take too long."""
        if not self._ready.is_set():
            self.session.call()
        return self._channel if self._ready.wait(PATIENCE_S) else None

    def send(self, comm_id: str, data: Mapping[str, Any]) -> None:
        """Put a message on a comm, from any thread and in nobody's name."""
        self._send(comm_id, {"comm_id": comm_id, "data": data})

    def _publish(self, snapshot: Snapshot, packed: bytes) -> None:
        # Packed already, as Jupyter's own session takes the content of a message that it passes on.
        self._send(COMM_ID, b'{"comm_id": "%b", "data": %b}' % (COMM_ID.encode(), packed))
        for look in self.looks:
            look(snapshot)

    def _send(self, comm_id: str, content: Any) -> None:
        from zmq import ZMQError  # noqa: PLC0415  (a kernel holds it)

        wire = self.kernel.session
        if wire is None or not self.session.is_of_this_process:  # a forked child's words would land in the cell
            return
        try:
            wire.send(self.kernel.iopub_socket, "comm_msg", content, parent={}, ident=f"comm-{comm_id}".encode())
        except ZMQError as err:
            log.debug("nobody hears: the kernel goes down", exc_info=err)

    def _comes(self) -> Channel:
        from jupyter_carbon.notebook.channel import Channel  # noqa: PLC0415  (on the ticker's thread)

        self._channel = channel = Channel(self.session, self._publish, partial(self.send, COMM_ID))
        self._ready.set()
        return channel

    def _asked(self, comm: Any, message: Mapping[str, Any]) -> None:
        # A ledger may hold many years: the shell, where the next cell waits, is not kept.
        ask = partial(self._tell, comm.comm_id, message["content"].get("data"))
        threading.Thread(target=self.session.boundary.run, args=(ask,), name="carbon-answer", daemon=True).start()

    def _tell(self, comm_id: str, question: object) -> None:
        channel = self.channel()
        if channel is not None:
            self.send(comm_id, channel.answer(question, self.session.open_cells))

    def _switched(self, _: object) -> None:
        if self._channel is not None:
            self.session.boundary.run(partial(self._channel.publish, self.session.open_cells))
