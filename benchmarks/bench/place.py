"""Puts a simulated machine where a meter looks for a real one: a private mount namespace and a library path.

Nothing outside the process that is started changes.  Where mounts are not allowed, ours still finds the tree through
`JUPYTER_CARBON_POWERCAP`; other meters have no such door, and their rows say so.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_MOUNT = """
set -e
if [ -d /sys/class/powercap ]; then
  mount --bind "$BENCH_POWERCAP" /sys/class/powercap
else
  keep=$(mktemp -d)
  mount --rbind /sys/class "$keep"
  mount -t tmpfs bench /sys/class
  for item in "$keep"/*; do
    name=$(basename "$item")
    mkdir -p "/sys/class/$name"
    mount --bind "$item" "/sys/class/$name"
  done
  mkdir /sys/class/powercap
  mount --bind "$BENCH_POWERCAP" /sys/class/powercap
fi
exec "$@"
"""

_UNSHARE = ["unshare", "--mount", "--propagation", "private"]
# Root reads what nobody may read; without this right it is refused like everybody.
_NO_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


def allowed() -> str | None:
    """None where a private mount namespace can be made, else why not."""
    try:
        done = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as err:
        return str(err)
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def command(words: list[str]) -> list[str]:
    """`words`, run where the tree named by BENCH_POWERCAP is /sys/class/powercap."""
    return [*_UNSHARE, "sh", "-c", _MOUNT, "sh", *_NO_OVERRIDE, *words]


def environment(powercap: Path, library: Path, home: Path) -> dict[str, str]:
    """What a meter's process is told; its files go to `home`."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER_CARBON_", "FAKE_NVML_", "CUDA_"))},
        "BENCH_POWERCAP": str(powercap),
        "LD_LIBRARY_PATH": str(library.parent),
        "PATH": f"{library.parent}:{os.environ['PATH']}",
        "JUPYTER_CARBON_POWERCAP": str(powercap),
        "JUPYTER_CARBON_LEDGER": str(home / "ledger.sqlite"),
        "JUPYTER_CARBON_REGION": "FR",
        "JUPYTER_DATA_DIR": str(home / "data"),
        "HOME": str(home),
        "FAKE_NVML_DEVICES": "0",
    }
