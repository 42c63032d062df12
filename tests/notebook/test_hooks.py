"""The hooks themselves, driven as IPython drives them: an interrupt may land at any moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from IPython.core.events import EventManager
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult
from machine import Machine

import jupyter_carbon
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.model import CellRecord
from jupyter_carbon.notebook.hooks import Hooks
from jupyter_carbon.session import Session

OURS = str(Path(jupyter_carbon.__file__).parent)


class Shell:
    """What the hooks ask of a shell; a terminal's, which has no `get_parent`."""

    def __init__(self) -> None:
        self.events = EventManager(self, dict.fromkeys(("pre_run_cell", "post_run_cell"), lambda _: None))
        self.execution_count = 0

    def run(self, hooks: Hooks, code: str = "1", *, pre: int | None = None, post: int | None = None) -> None:
        """One cell.  With `pre` or `post` an interrupt lands in that hook; like IPython we swallow it."""
        self.execution_count += 1
        info = ExecutionInfo(code, True, False, True, None)
        with_interrupt(hooks.pre_run_cell, info, pre)
        result = ExecutionResult(info)
        with_interrupt(hooks.post_run_cell, result, post)


def with_interrupt(hook: Any, argument: object, at: int | None) -> None:
    """Python looks for signals when it enters a function and after a call into C: the `at`-th such moment of ours."""
    if at is None:
        hook(argument)
        return
    left = at

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(OURS):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        hook(argument)
    except KeyboardInterrupt:
        return
    finally:
        sys.setprofile(None)
    raise StopIteration  # the hook has no such moment any more


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def session(machine: Machine) -> Iterator[Session]:
    session = machine.session()
    assert session.wait_until_warm(30)
    yield session
    session.close()


@pytest.fixture
def shell() -> Shell:
    return Shell()


@pytest.fixture
def hooks(shell: Shell, session: Session) -> Hooks:
    return Hooks(shell, session)  # type: ignore[arg-type]


def rows(machine: Machine) -> list[CellRecord]:
    return list(Ledger.open(machine.ledger).records())


@pytest.mark.parametrize("edge", ["pre", "post"])
def test_an_interrupt_at_any_moment_of_a_hook_harms_no_cell_after_it(machine, session, shell, hooks, edge):
    session.settings.badge = "never"
    at = 0
    while True:
        try:
            shell.run(hooks, "%%carbon struck\n1", **{edge: at})
        except StopIteration:
            break
        shell.run(hooks, "%%carbon next\n1")
        assert not session.running, f"moment {at}"
        assert not session.meter._open, f"moment {at}"
        at += 1
    told = rows(machine)
    after = [row for row in told if row.run.label == "next"]
    struck = [row for row in told if row.run.label == "struck"]
    assert at > 40  # it did land there
    assert len(after) == at
    assert {(row.status, row.flags) for row in after} == {("ok", ())}
    assert all("concurrent" not in row.flags for row in struck)
    if edge == "post":
        assert len(struck) == at + 1  # not one row is lost where the cell had begun
    assert session.boundary.faults == []


def test_frames_of_a_cell_that_never_ended_do_not_make_the_next_ones_nested(machine, shell, hooks):
    shell.execution_count += 1
    hooks.pre_run_cell(ExecutionInfo("%%carbon lost\n1", True, False, True, None))
    for label in ("one", "two"):
        shell.run(hooks, f"%%carbon {label}\n1")
    assert {row.run.label: row.status for row in rows(machine)} == {"lost": "interrupted", "one": "ok", "two": "ok"}


def test_nested_runs_of_a_terminal_have_no_row(machine, shell, hooks):
    shell.execution_count += 1
    outer = ExecutionInfo("%%carbon outer\nget_ipython().run_cell('1')", True, False, True, None)
    hooks.pre_run_cell(outer)
    inner = ExecutionInfo("1", False, False, True, None)
    hooks.pre_run_cell(inner)
    hooks.post_run_cell(ExecutionResult(inner))
    hooks.post_run_cell(ExecutionResult(outer))
    assert [row.run.label for row in rows(machine)] == ["outer"]


def test_a_result_that_never_came_is_an_error_of_the_newest_frame(machine, shell, hooks):
    shell.execution_count += 1
    hooks.pre_run_cell(ExecutionInfo("await x", True, False, True, None))
    hooks.post_run_cell(None)
    hooks.post_run_cell(None)  # of nobody
    assert [row.status for row in rows(machine)] == ["error"]


def test_a_post_without_its_pre_is_dropped(machine, shell, hooks):
    hooks.post_run_cell(ExecutionResult(ExecutionInfo("   ", True, False, True, None)))
    shell.run(hooks)
    hooks.post_run_cell(ExecutionResult(ExecutionInfo("   ", True, False, True, None)))
    assert len(rows(machine)) == 1


def test_a_fault_of_ours_is_one_warning_and_the_doctor_knows(machine, session, shell, hooks, caplog):
    session.meter._clock = None  # type: ignore[assignment]
    for _ in range(3):
        shell.run(hooks)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert any(finding.topic == "fault" and "NoneType" in finding.text for finding in session.upkeep.findings())


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """IPython's display, as a list: there is no shell that would publish it."""
    from IPython.core import display_functions

    shown: list[dict[str, Any]] = []
    published = lambda data, metadata=None, **_: shown.append(data)  # noqa: E731
    monkeypatch.setattr(display_functions, "publish_display_data", published)
    monkeypatch.setattr("IPython.core.interactiveshell.InteractiveShell.initialized", lambda: True)
    return shown


def test_a_badge_names_near_matches_of_a_region_that_is_none(shell, hooks, shown):
    shell.run(hooks, "%%carbon --region aws:eu-wst-3\n1")
    (badge,) = shown
    assert "aws:eu-west-3" in badge["text/plain"]
    assert "aws:eu-west-3" in badge["text/html"]
    assert "2 notes" in badge["text/plain"].splitlines()[0]
    assert badge["application/vnd.jupyter-carbon.v1+json"]["intensity"]["region"] == "FR"


def test_a_badge_says_when_rows_are_not_written(machine, shown):
    (machine.root / "file").write_text("")
    session = machine.session(ledger=str(machine.root / "file" / "ledger.sqlite"))
    shell = Shell()
    shell.run(Hooks(shell, session), "%%carbon\n1")  # type: ignore[arg-type]
    session.close()
    assert "file" in shown[0]["text/plain"] or "Not a directory" in shown[0]["text/plain"]


def test_badges_come_as_they_are_set(session, shell, hooks, shown):
    for setting, count in (("auto", 1), ("always", 2), ("never", 0)):
        session.settings.badge = setting
        shell.run(hooks, "%%carbon named\n1")
        shell.run(hooks, "1")
        assert len(shown) == count
        shown.clear()


def test_off_meters_only_what_is_named(machine, session, shell, hooks):
    session.settings.metering = False
    shell.run(hooks, "1")
    shell.run(hooks, "%%carbon named\n1")
    assert [row.run.label for row in rows(machine)] == ["named"]


def test_two_shells_of_one_process_do_not_end_each_others_cells(machine, session, shell, hooks):
    other_shell = Shell()
    embedded = Hooks(other_shell, session)  # type: ignore[arg-type]
    shell.execution_count += 1
    outer = ExecutionInfo("%%carbon outer\nembed()", True, False, True, None)
    hooks.pre_run_cell(outer)
    other_shell.run(embedded, "%%carbon embedded\n1")
    hooks.post_run_cell(ExecutionResult(outer))
    assert {row.run.label: row.status for row in rows(machine)} == {"outer": "ok", "embedded": "ok"}


def test_in_a_forked_child_the_hooks_do_nothing(machine, session, shell, hooks):
    import os

    pid = os.fork()
    if pid == 0:
        shell.run(hooks)
        os._exit(1 if session.running else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert rows(machine) == []


def test_unloading_in_a_cell_leaves_its_row(machine, session, shell, hooks):
    from jupyter_carbon.notebook import extension
    from jupyter_carbon.notebook.magics import CarbonMagics

    shell.magics_manager = SimpleNamespace(magics={"line": {}, "cell": {}})  # type: ignore[attr-defined]
    shell.configurables, shell.input_transformers_cleanup = [session.settings], [extension.strip_carbon]  # type: ignore[attr-defined]
    CarbonMagics(shell, hooks).register()  # type: ignore[arg-type]
    hooks.register()
    shell.execution_count += 1
    hooks.pre_run_cell(ExecutionInfo("%%carbon goodbye\n%unload_ext jupyter_carbon", True, False, True, None))
    extension.unload(shell)  # type: ignore[arg-type]
    assert [(row.run.label, row.status, row.flags) for row in rows(machine)] == [("goodbye", "ok", ())]
    assert session.closed
