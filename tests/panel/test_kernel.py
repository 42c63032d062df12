"""Snapshots and answers of real kernels, one for each ipykernel that matters."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from queue import Empty
from typing import Any

import pytest
from kernels import KERNELS, PATIENCE_S, SILENCE_S, Kernel, wake

from jupyter_carbon.notebook.connection import COMM_ID, TARGET
from jupyter_carbon.notebook.protocol import VERSION, encoded_bytes

LOAD = "%load_ext jupyter_carbon"
SPIN = "import time; until = time.perf_counter() + {}\nwhile time.perf_counter() < until: pass"
Message = dict[str, Any]


class Page:
    """A page that hears everything and asks in its own time."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.client = kernel, kernel.client
        self.heard: list[tuple[float, Message]] = []
        self.run_from = 0
        self._numbers = itertools.count()

    def submit(self, code: str, *, by_page: bool = True) -> str:
        message = self.client.session.msg(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False},
            metadata={"cellId": f"c{next(self._numbers)}"} if by_page else {},
        )
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def listen(self, until: Any, patience_s: float = PATIENCE_S) -> Message:
        """Hear until a message satisfies; that message."""
        give_up = time.monotonic() + patience_s
        silent_until = time.monotonic() + SILENCE_S
        while time.monotonic() < give_up:
            try:
                message = self.client.get_iopub_msg(timeout=0.1)
            except Empty:
                if time.monotonic() > silent_until:
                    silent_until = time.monotonic() + SILENCE_S
                    wake(self.client)
                continue
            silent_until = time.monotonic() + SILENCE_S
            self.heard.append((time.monotonic(), message))
            if until(message):
                return message
        raise AssertionError(f"not heard within {patience_s:.0f} s")

    def run(self, code: str, **more: Any) -> float:
        """Run a cell to its end; the seconds it took."""
        began, request = time.monotonic(), self.submit(code, **more)
        self.run_from = len(self.heard)
        self.listen(lambda m: is_idle(m, request))
        while self.client.get_shell_msg(timeout=PATIENCE_S)["parent_header"].get("msg_id") != request:
            pass  # the next request must not meet the reply on its way
        return time.monotonic() - began

    def snapshot(self, **wanted: Any) -> Message:
        """The next snapshot with these fields."""
        found = self.listen(lambda m: is_snapshot(m) and all(data(m)[key] == value for key, value in wanted.items()))
        return data(found)

    def ended(self) -> Message:
        """The snapshot of the end of the last cell; it may come before the cell's own last word."""

        def is_end(message: Message) -> bool:
            return is_snapshot(message) and data(message)["running"] is None and data(message)["ended"] is not None

        told = next((message for _, message in self.heard[self.run_from :] if is_end(message)), None)
        return data(told or self.listen(is_end))

    def open(self, question: Message) -> str:
        comm_id = f"q{next(self._numbers)}"
        content = {"comm_id": comm_id, "target_name": TARGET, "data": {"v": VERSION, **question}}
        self.client.shell_channel.send(self.client.session.msg("comm_open", content))
        return comm_id

    def ask(self, **question: Any) -> Message:
        comm_id = self.open(question)
        return data(self.listen(lambda m: m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == comm_id))

    def look(self, **more: Any) -> Message:
        return self.ask(**{"ask": "look", "looking": True, "notebook": None, "session_id": None, "since_run": 0} | more)


def is_ours(message: Message) -> bool:
    return message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == COMM_ID


def is_snapshot(message: Message) -> bool:
    return is_ours(message) and "seq" in data(message)


def ended_rows(message: Message) -> list[Message]:
    """Rows of cells that have ended, in whichever form."""
    told = data(message) if is_ours(message) else {}
    return list(told.get("news", ())) + ([told["ended"]] if told.get("ended") else [])


def parent(message: Message) -> str | None:
    found: str | None = message["parent_header"].get("msg_id")
    return found


def is_idle(message: Message, request: str) -> bool:
    return (
        message["msg_type"] == "status"
        and message["content"]["execution_state"] == "idle"
        and parent(message) == request
    )


def data(message: Message) -> Message:
    found: Message = message["content"]["data"]
    return found


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(request.param, tmp_path_factory.mktemp("kernel"), JUPYTER_CARBON_REGION="FR")
    yield kernel
    kernel.stop()


@pytest.fixture(scope="module")
def page(kernel: Kernel) -> Page:
    page = Page(kernel)
    page.submit(LOAD)
    page.snapshot(seq=1)
    return page


def test_a_kernel_without_a_page_tells_nothing_until_somebody_asks(tmp_path):
    kernel = Kernel(KERNELS[-1], tmp_path, JUPYTER_CARBON_REGION="FR")
    page = Page(kernel)
    try:
        page.run(LOAD, by_page=False)
        page.run(SPIN.format(2.2), by_page=False)
        assert not [m for _, m in page.heard if is_snapshot(m)]
        assert page.look()["snapshot"]["totals"]["runs"] == 1
        page.run(SPIN.format(2.2), by_page=False)
        assert [data(m)["running"]["cell_id"] for _, m in page.heard if is_snapshot(m) and data(m)["running"]]
    finally:
        kernel.stop()


def test_loading_tells_every_page(page):
    first = next(data(m) for _, m in page.heard if is_snapshot(m))
    assert (first["v"], first["running"], first["metering"]) == (VERSION, None, True)
    assert first["intensity"]["region"] == "FR"


def test_a_look_is_answered_with_everything(page):
    answer = page.look()
    assert answer["answer"] == "look"
    assert answer["snapshot"]["period_s"] == 0.5
    assert {finding["topic"] for finding in answer["about"]["findings"]} >= {"wall", "place", "ledger"}


def test_a_cell_that_blocks_is_told_of_twice_a_second_while_a_panel_looks(page):
    page.look()
    page.heard.clear()
    page.run(SPIN.format(3.2))
    live = [data(m) for _, m in page.heard if is_snapshot(m) and data(m)["running"]]
    assert len(live) >= 4  # at 2 Hz six are due; a busy machine may lose one or two
    assert [shot["running"]["cell_id"] for shot in live] == [live[0]["running"]["cell_id"]] * len(live)
    energy = [shot["running"]["facility_energy_kwh"] for shot in live]
    assert energy == sorted(energy)
    assert energy[0] > 0.0
    assert live[-1]["running"]["client"] == page.client.session.session


def test_the_end_of_a_cell_is_told_at_once(page):
    page.look()
    page.run(SPIN.format(1.5))
    idle_at = page.heard[-1][0]
    shot = page.ended()
    assert page.heard[-1][0] - idle_at < 0.5  # the period is 0.5 s: this one was not waited for
    assert shot["ended"]["last"]["duration_s"] == pytest.approx(1.5, abs=0.5)
    assert shot["ended"]["run"] == shot["totals"]["runs"]


def test_a_cell_that_has_ended_is_told_within_a_second_while_the_next_one_runs(page):
    page.look()
    page.heard.clear()
    page.submit(SPIN.format(1.2))
    second = page.submit(SPIN.format(2.5))
    page.listen(lambda m: is_idle(m, second))
    (began_at,) = [at for at, m in page.heard if m["msg_type"] == "execute_input" and parent(m) == second]
    # Where the kernel pauses between two cells, the snapshot of the first one's end may have it.
    told_at, row = next((at, row) for at, m in page.heard for row in ended_rows(m))
    assert told_at - began_at < 1.0
    assert row["last"]["duration_s"] == pytest.approx(1.2, abs=0.3)
    assert page.look()["snapshot"]["totals"]["runs"] == row["run"] + 1


def test_a_call_that_holds_the_lock_is_caught_up_with_and_no_joule_is_lost(page):
    page.look()
    page.heard.clear()
    page.run("x = sorted(range(100)); _ = (3 ** 4_200_000) % 7 ** 3_000_000")  # one C call after another
    shot = page.ended()
    told = page.look(session_id=shot["session_id"])["cells"]
    (row,) = [row for row in told if row["run"] == shot["ended"]["run"]]
    assert row["last"]["facility_energy_kwh"] == shot["ended"]["last"]["facility_energy_kwh"] > 0.0
    during = [data(m)["running"]["facility_energy_kwh"] for _, m in page.heard if is_snapshot(m) and data(m)["running"]]
    assert all(kwh <= row["last"]["facility_energy_kwh"] * 1.001 for kwh in during)


def test_nothing_of_it_is_an_output(page):
    page.heard.clear()
    page.run(SPIN.format(1.2))
    kinds = {m["msg_type"] for _, m in page.heard if not is_snapshot(m)}
    assert kinds <= {"status", "execute_input"}


def test_only_news_is_told_to_who_knows_the_session(page):
    page.run("1")
    whole = page.look()
    session_id, known = whole["snapshot"]["session_id"], whole["snapshot"]["totals"]["runs"]
    assert len(whole["cells"]) == whole["snapshot"]["totals"]["cells"]
    assert page.look(session_id=session_id, since_run=known)["cells"] == []
    page.run("2")
    assert [row["run"] for row in page.look(session_id=session_id, since_run=known)["cells"]] == [known + 1]
    assert len(page.look(session_id="another", since_run=known)["cells"]) == len(whole["cells"]) + 1


def test_pausing_stops_the_metering_and_resuming_starts_it(page):
    runs = page.look()["snapshot"]["totals"]["runs"]
    assert page.ask(ask="metering", on=False)["snapshot"]["metering"] is False
    page.run("3")
    assert page.ask(ask="metering", on=True)["snapshot"]["metering"] is True
    assert page.look()["snapshot"]["totals"]["runs"] == runs


def test_typing_the_magic_is_seen_by_the_panel(page):
    page.submit("%carbon off")
    page.snapshot(metering=False)
    page.submit("%carbon on")
    page.snapshot(metering=True)


def test_the_ledger_is_rolled_up_for_the_panel(page):
    page.run("4")
    runs = page.look()["snapshot"]["totals"]["runs"]
    answer = page.ask(ask="history", period="7d", notebook=None, utc_offset_s=0)
    assert answer["runs"] >= runs
    assert len(answer["bars"]) == 7
    assert sum(bar["runs"] for bar in answer["bars"]) == answer["runs"]


def test_a_rename_reaches_the_ledger(page):
    page.look(notebook="work/new name.ipynb")
    page.run("5")
    page.ended()
    answer = page.ask(ask="history", period="today", notebook="work/new name.ipynb", utc_offset_s=0)
    (row,) = [row for row in answer["rows"] if row["here"]]
    assert row["notebook"].endswith("work/new name.ipynb")


@pytest.mark.parametrize("question", [{"ask": "everything"}, {"v": 99, "ask": "look"}, {"ask": "history", "period": 7}])
def test_a_question_that_is_not_understood_is_answered_with_the_reason(page, question):
    answer = page.ask(**question)
    assert answer["answer"] == "error"
    assert answer["reason"]


def test_a_kernel_says_what_a_run_would_cost(page):
    answer = page.ask(ask="estimate", gpu="H100", n_gpu=8, minutes=60, region="DE")
    assert (answer["answer"], answer["region"], answer["what"]) == ("estimate", "DE", "8 x H100 SXM5 80GB")
    assert answer["energy_kwh"]["low"] < answer["energy_kwh"]["likely"] < answer["energy_kwh"]["high"]
    refused = page.ask(ask="estimate", gpu="H1000", minutes=60, region=None)
    assert (refused["answer"], refused["ask"]) == ("error", "estimate")
    assert "near matches" in refused["reason"]


def test_snapshots_stay_small(page):
    assert all(encoded_bytes(data(m)) <= 4096 for _, m in page.heard if is_snapshot(m))


def test_no_fault_of_ours_has_come_up(page):
    assert not [f for f in page.look()["about"]["findings"] if f["topic"] == "fault"]


def test_unloading_answers_nobody_any_more(page):
    page.run("%unload_ext jupyter_carbon")
    comm_id = page.open({"ask": "look"})
    page.listen(lambda m: m["msg_type"] == "comm_close" and m["content"]["comm_id"] == comm_id)
