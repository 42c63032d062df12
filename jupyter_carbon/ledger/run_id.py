"""The key of a run, made where the run is: a UUID whose first bits are the time, so that indexes stay warm."""

from __future__ import annotations

import os
import time


def run_id() -> str:
    """A new UUID, version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits.

    Written here because `uuid.uuid7` comes with Python 3.14 and this one runs on the cell's path.
    """
    bits = int.from_bytes(os.urandom(10), "big")
    version_and_12_bits = 0x7000 | (bits & 0xFFF)
    variant_and_62_bits = 1 << 63 | bits >> 12 & ((1 << 62) - 1)
    text = f"{time.time_ns() // 1_000_000:012x}{version_and_12_bits:04x}{variant_and_62_bits:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
