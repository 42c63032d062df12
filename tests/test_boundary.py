"""A fault of ours ends at the boundary: told once, kept for the doctor."""

from __future__ import annotations

import logging

from jupyter_carbon.boundary import Boundary


def broken(text: str = "no such counter"):
    raise RuntimeError(text)


def test_the_first_fault_is_told_and_no_other(caplog):
    boundary = Boundary()
    with caplog.at_level(logging.WARNING, logger="jupyter_carbon"):
        boundary.run(broken)
        boundary.run(lambda: broken("another"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "%carbon doctor" in caplog.text
    assert [fault.split(": ", 1)[0].partition(" in ")[0] for fault in boundary.faults] == ["RuntimeError"] * 2
    assert boundary.faults[0].endswith("no such counter")


def test_a_fault_that_comes_again_is_kept_once_and_memory_is_bounded():
    boundary = Boundary()
    for n in range(100):
        boundary.run(broken)
        boundary.run(lambda n=n: broken(str(n)))
    assert len(boundary.faults) == Boundary.MOST


def test_an_interrupt_is_the_users_not_ours():
    def interrupted():
        raise KeyboardInterrupt

    try:
        Boundary().run(interrupted)
    except KeyboardInterrupt:
        return
    raise AssertionError("an interrupt must reach the user's code")
