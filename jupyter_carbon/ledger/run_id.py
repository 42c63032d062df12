"""The key of a run, made where the run is: a UUID whose first bits are the time, so that indexes stay warm."""

from __future__ import annotations

import os
import time


def run_id() -> str:
    """A new UUID, version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits.

    Written here because `uuid.uuid7` comes with Python 3.14 and this one runs on the cell's path.
    """
    ms, bits = f"{time.time_ns() // 1_000_000:012x}", os.urandom(10)
    digits = bits.hex()
    variant_and_2_bits = "89ab"[bits[-1] & 3]  # the last byte's digits are not used
    return f"{ms[:8]}-{ms[8:]}-7{digits[:3]}-{variant_and_2_bits}{digits[3:6]}-{digits[6:18]}"
