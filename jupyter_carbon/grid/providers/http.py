"""One GET, bounded as a whole: the only place of the package that opens a connection to the world.

A time-out of the library bounds each wait, not their sum, and neither headers nor body: a server that drips a byte
now and then holds a reader for ever.  Here every wait ends at one deadline.  Only the look-up of the name is the
resolver's, which has its own idea of time: this runs on a thread that nobody waits for.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from jupyter_carbon.grid.providers import NoAnswer, Request, Response

DEADLINE_S = 15.0
LARGEST_BYTES = 4 << 20
CHUNK_BYTES = 1 << 16

AGENT = "jupyter_carbon"
DENIED = (401, 403)


def fetch(request: Request, *, deadline_s: float = DEADLINE_S, hosts: Mapping[str, str] | None = None) -> Response:
    """The answer to a request; raises `NoAnswer`, whose text holds no address and no key.

    `hosts` sends what is meant for one origin ("https://api.example.org") to another.
    """
    url = request.url
    for origin, other in (hosts or {}).items():
        url = url.replace(origin, other, 1) if url.startswith(origin) else url
    ends_s = time.monotonic() + deadline_s
    asked = urllib.request.Request(url, headers={"User-Agent": AGENT, "Accept": "*/*", **request.headers})  # noqa: S310  (https, or a test's own server)
    opener = urllib.request.build_opener(_NoRedirect(), _Http(ends_s), _Https(ends_s))
    try:
        with opener.open(asked, timeout=deadline_s) as answer:
            return Response(_body(answer, ends_s), _server_s(answer.headers))
    except urllib.error.HTTPError as err:
        with err:
            raise _refused(err) from None  # the cause would carry the address, and with it perhaps a key
    except (OSError, http.client.HTTPException) as err:
        raise NoAnswer(_why(err)) from None
    except ValueError:  # a key that cannot stand in a header or an address; the library's text would quote it
        raise NoAnswer("the key or the request cannot be sent") from None


def _body(answer: Any, ends_s: float) -> bytes:
    body = io.BytesIO()
    while chunk := answer.read1(CHUNK_BYTES):
        body.write(chunk)
        if body.tell() > LARGEST_BYTES:
            raise NoAnswer("an answer that is too large")
        if time.monotonic() > ends_s:
            raise NoAnswer("an answer that came too slowly")
    length = answer.headers.get("Content-Length")
    if length is not None and length.isdecimal() and body.tell() < int(length):
        raise NoAnswer("an answer that was cut")
    return body.getvalue()


def _refused(err: urllib.error.HTTPError) -> NoAnswer:
    denied = err.code in DENIED
    why = "the key is not accepted" if denied else f"an answer with status {err.code}"
    return NoAnswer(why, retry_after_s=_retry_after_s(err.headers), denied=denied)


def _retry_after_s(headers: Any) -> float | None:
    """Seconds to wait: the header holds a number, or a date (RFC 9110, 10.2.3)."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isdecimal():
        return float(text)
    until_s, now_s = _date_s(text), _server_s(headers)
    if until_s is None:
        return None
    return max(0.0, until_s - (time.time() if now_s is None else now_s))


def _server_s(headers: Any) -> float | None:
    return _date_s(headers.get("Date") or "")


def _date_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def _why(err: Exception) -> str:
    cause = err.reason if isinstance(err, urllib.error.URLError) else err
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, socket.gaierror):
        return "the name could not be looked up"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused"
    return f"the connection failed ({type(cause).__name__})"


# --- every wait ends at the deadline ----------------------------------------------------------------------------


class _Bounded:
    """A socket whose every wait ends at one moment; what `http.client` asks of a socket, and no more."""

    def __init__(self, sock: socket.socket, ends_s: float) -> None:
        self._sock, self._ends_s = sock, ends_s

    def makefile(self, mode: str, *args: object) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock.makefile("rb", buffering=0), self._hurry))

    def sendall(self, data: bytes) -> None:
        self._hurry()
        self._sock.sendall(data)

    def close(self) -> None:
        self._sock.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _hurry(self) -> None:
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0.0:
            raise TimeoutError
        self._sock.settimeout(left_s)


class _Reader(io.RawIOBase):
    """Reads a socket's file, each time with the time that is left."""

    def __init__(self, file: io.RawIOBase, hurry: Callable[[], None]) -> None:
        self._file, self._hurry_up = file, hurry

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._hurry_up()
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _connection(kind: type[http.client.HTTPConnection], ends_s: float) -> type[http.client.HTTPConnection]:
    class Connection(kind):  # type: ignore[misc, valid-type]
        def connect(self) -> None:
            super().connect()
            self.sock: Any = _Bounded(self.sock, ends_s)

    return Connection


class _Http(urllib.request.HTTPHandler):
    def __init__(self, ends_s: float) -> None:
        super().__init__()
        self._ends_s = ends_s

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connection(http.client.HTTPConnection, self._ends_s), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, ends_s: float) -> None:
        super().__init__()
        self._ends_s = ends_s

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connection(http.client.HTTPSConnection, self._ends_s), req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """None of the sources redirects; whoever does might be given a key that is another's."""

    def redirect_request(self, *args: object, **named: object) -> None:
        return None
