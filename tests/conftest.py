"""No test asks the world: sessions have no live grid source of their own, and this process connects to itself only."""

import os
import sys

os.environ.setdefault("JUPYTER_CARBON_LIVE", "0")

OURSELVES = ("127.", "localhost", "::1", "0.0.0.0")


def _stay_at_home(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if isinstance(host, str) and host and not host.startswith(OURSELVES):
        raise AssertionError(f"a test wants to reach {host}")


sys.addaudithook(_stay_at_home)
