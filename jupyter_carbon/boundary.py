"""The boundary to the user's work: no fault of ours goes further than this."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

log = logging.getLogger("jupyter_carbon")


class Boundary:
    """Runs our part and keeps its faults: the first is told in one warning, all stand in `faults` for the doctor."""

    MOST = 20

    def __init__(self) -> None:
        self.faults: list[str] = []

    def run(self, ours: Callable[[], object]) -> bool:
        """Call `ours`; whatever it raises ends here.  Whether it did without a fault."""
        try:
            ours()
        except Exception as err:  # the only broad one: a broken meter must not break or decorate a cell
            log.debug("a fault of jupyter_carbon", exc_info=True)
            place = traceback.extract_tb(err.__traceback__)[-1]
            fault = f"{type(err).__name__} in {place.name}, {place.filename}:{place.lineno}: {err}"
            first = not self.faults
            if fault not in self.faults and len(self.faults) < self.MOST:
                self.faults.append(fault)
            if first:
                log.warning("jupyter_carbon had a fault and may miss cells; they run all the same. See %carbon doctor")
            return False
        return True
