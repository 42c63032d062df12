from __future__ import annotations

import time
import uuid

from jupyter_carbon.ledger import run_id


def test_it_is_a_uuid_of_version_7_that_tells_its_millisecond():
    before_ms = time.time_ns() // 1_000_000
    made = uuid.UUID(run_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before_ms <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_no_two_are_the_same():
    assert len({run_id() for _ in range(10_000)}) == 10_000


def test_all_74_random_bits_vary():
    ids = [uuid.UUID(run_id()).int for _ in range(200)]
    ever_one = ever_zero = 0
    for number in ids:
        ever_one |= number
        ever_zero |= ~number
    random_bits = ((1 << 12) - 1) << 64 | ((1 << 62) - 1)
    assert ever_one & ever_zero & random_bits == random_bits
