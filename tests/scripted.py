"""A real HTTP server on this machine that answers as it is told, one step a request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Step = Any
"""`"hang"`, `"drip"`, `"drip headers"`, a body (bytes, or what becomes JSON), or status, headers and body."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.steps: list[Step] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.gate = threading.Event()
        self.default: Step = (500, {}, b"no step is left")

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def script(self, *steps: Step) -> None:
        self.steps += steps

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: Server
    date: str | None = None

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        step = self.server.steps.pop(0) if self.server.steps else self.server.default
        try:
            self._do(step)
        except OSError:  # the other side has had enough
            self.close_connection = True

    def _do(self, step: Step) -> None:
        if step == "hang":
            self.server.gate.wait(30)
        elif step == "drip":
            self.send_response(200)
            self.end_headers()
            self._drip()
        elif step == "drip headers":
            self._drip()
        else:
            status, headers, body = step if isinstance(step, tuple) else (200, {}, step)
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response_only(status)
            for name, value in {"Server": "scripted", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

    def _drip(self) -> None:
        while not self.server.gate.wait(0.05):
            self.wfile.write(b" ")
            self.wfile.flush()


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


# --- answers as the sources give them -------------------------------------------------------------------------


def gb(first: str, grams: Sequence[tuple[int | None, int | None]]) -> dict[str, Any]:
    """NESO's half-hours from `first` on: (forecast, actual) each."""
    from datetime import datetime, timedelta

    start = datetime.fromisoformat(first)
    slots = []
    for index, (forecast, actual) in enumerate(grams):
        at = start + index * timedelta(minutes=30)
        slots.append(
            {
                "from": f"{at:%Y-%m-%dT%H:%MZ}",
                "to": f"{at + timedelta(minutes=30):%Y-%m-%dT%H:%MZ}",
                "intensity": {"forecast": forecast, "actual": actual, "index": "moderate"},
            }
        )
    return {"data": slots}
