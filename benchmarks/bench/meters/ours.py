"""jupyter_carbon on the bench, through its public door: `with jc.measure()`."""

from __future__ import annotations

from typing import Any

import stand

import jupyter_carbon as jc
from jupyter_carbon.api import measure
from jupyter_carbon.process import ThisProcess


class Ours:
    version = jc.__version__

    def open(self, case: dict[str, Any]) -> None:
        session = ThisProcess.session()
        session.wait_until_warm(10.0)

    def begin(self) -> None:
        self._block = measure("cell")
        self._block.__enter__()

    def end(self) -> dict[str, Any]:
        self._block.__exit__(None, None, None)
        said: dict[str, Any] = {"flags": [], "machine": {}, "mine": {}, "quality": {}}
        record = self._block.record
        for share in record.shares:
            component = share.domain.component
            for key, interval in (("machine", share.machine_energy_j), ("mine", share.energy_j)):
                low, likely, high = said[key].get(component, (0.0, 0.0, 0.0))
                said[key][component] = (low + interval.low, likely + interval.likely, high + interval.high)
            said["quality"][component] = share.domain.quality
        said["flags"] = [flag for flag in record.flags if not flag.startswith("region")]
        said["energy_j"] = {component: likely for component, (_, likely, _) in said["machine"].items()}
        return said

    def close(self) -> None:
        ThisProcess.session().close()


stand.serve(Ours())
