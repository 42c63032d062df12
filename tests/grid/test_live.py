"""The refresher against a real server with a script: every fault ends in an older number, never in a wait."""

import json
import logging
import sys
import threading
import time
from functools import partial

import pytest
from grid_parts import TEN_S
from scripted import gb as half_hours
from scripted import serving

from jupyter_carbon.grid.live import Live
from jupyter_carbon.grid.providers import NoAnswer, denmark, electricity_maps, gb, watttime
from jupyter_carbon.grid.providers.http import fetch
from jupyter_carbon.grid.region import guess, resolve

GB = resolve("GB")
ADDED = 163.1 - 106.1  # what a British kWh's life cycle adds to its direct number
HALF_S = 1800.0
HOSTS = (gb.ROOT, denmark.ROOT, electricity_maps.ROOT, watttime.ROOT)


class Clock:
    """Ten o'clock, and whatever a test adds."""

    def __init__(self):
        self.now_s = TEN_S + 60.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def open_live(server, clock, tmp_path):
    """`open_live()` is the refresher of one process; a second one shares its folder."""

    def build(environ=None, **settings):
        hosts = dict.fromkeys(HOSTS, server.origin)
        ask = settings.pop("fetch", partial(fetch, deadline_s=0.5, hosts=hosts))
        return Live(tmp_path / "grid", environ or {}, fetch=ask, clock=clock, **settings)

    return build


def refresh(live):
    """One round to its end; whether there was one."""
    began = live.refresh_soon()
    thread = live._thread
    if thread is not None:
        thread.join(10)
        assert not thread.is_alive()
    return began


def likely(timeline, at_s):
    return timeline.at(at_s).gco2e_per_kwh.likely


# --- what is asked, and when ------------------------------------------------------------------------------------


def test_a_round_brings_slots(server, open_live):
    live = open_live()
    timeline = live.timeline(GB)
    server.script(half_hours("2026-11-21T09:30", [(140, 133), (150, None), (160, None)]))
    assert refresh(live)
    assert likely(timeline, TEN_S) == pytest.approx(150 + ADDED)
    assert [timeline.at(TEN_S + i * HALF_S).status for i in (-1, 0, 1)] == ["estimated", "forecast", "forecast"]
    assert server.paths() == ["/intensity/2026-11-20T10:00Z/2026-11-23T10:00Z"]


def test_once_a_period_and_not_more_often(server, open_live, clock):
    live = open_live()
    live.timeline(GB)
    server.script(half_hours("2026-11-21T10:00", [(150, None)]), half_hours("2026-11-21T10:00", [(150, 151)]))
    assert refresh(live)
    assert not refresh(live)
    clock.now_s += gb.PERIOD_S - 1
    assert not refresh(live)
    clock.now_s += 1 + 60  # the random delay is at most a minute
    assert refresh(live)
    assert len(server.asked) == 2


def test_an_actual_takes_the_place_of_its_forecast(server, open_live, clock):
    live = open_live()
    timeline = live.timeline(GB)
    server.script(half_hours("2026-11-21T10:00", [(150, None)]), half_hours("2026-11-21T10:00", [(150, 143)]))
    refresh(live)
    assert (timeline.at(TEN_S).status, likely(timeline, TEN_S)) == ("forecast", pytest.approx(150 + ADDED))
    clock.now_s += 3600
    refresh(live)
    assert (timeline.at(TEN_S).status, likely(timeline, TEN_S)) == ("estimated", pytest.approx(143 + ADDED))


def test_after_a_weekend_off_it_asks_for_what_it_missed(server, open_live, clock):
    server.default = half_hours("2026-11-21T10:00", [(150, None)])
    refresh_of = open_live()
    refresh_of.timeline(GB)
    refresh(refresh_of)
    clock.now_s += 3 * 86_400
    later = open_live()
    later.timeline(GB)
    refresh(later)
    assert server.paths()[-1].startswith("/intensity/2026-11-21T08:00Z/")


def test_a_second_kernel_starts_warm_and_asks_nothing(server, open_live):
    server.script(half_hours("2026-11-21T10:00", [(150, None)]))
    first = open_live()
    first.timeline(GB)
    refresh(first)
    second = open_live()
    assert likely(second.timeline(GB), TEN_S) == pytest.approx(150 + ADDED)
    assert not refresh(second)
    assert len(server.asked) == 1


def test_kernels_that_run_side_by_side_ask_once_and_all_have_it(server, open_live, clock):
    lives = [open_live() for _ in range(3)]
    lines = [live.timeline(GB) for live in lives]
    server.script(half_hours("2026-11-21T10:00", [(150, None)]))
    for live in lives:
        refresh(live)
    assert len(server.asked) == 1
    assert [likely(line, TEN_S) for line in lines] == [pytest.approx(150 + ADDED)] * 3


def test_nobody_hears_of_a_place_that_was_not_named(server, open_live, machine):
    live = open_live()
    live.timeline(guess(machine({"etc/timezone": "Europe/London"}), {}))
    live.timeline(resolve("WORLD"))
    live.timeline(resolve("DE"))  # no source without a key
    assert not live.feeds
    assert not refresh(live)
    assert not server.asked
    assert not [thread for thread in threading.enumerate() if thread.name == "carbon-grid"]


def test_switched_off_it_asks_nobody(server, open_live):
    live = open_live(enabled=False)
    assert "hour of the day" in live.timeline(GB).at(TEN_S).source
    assert not refresh(live)
    assert not server.asked


def test_a_place_has_one_source_whoever_asks_first(open_live):
    live = open_live()
    lines = []
    threads = [threading.Thread(target=lambda: lines.append(live.timeline(GB))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(live.feeds) == 1
    assert all(line is lines[0] for line in lines)


# --- what can go wrong ------------------------------------------------------------------------------------------

FAULTS = {
    "nothing": b"",
    "a page of HTML": (200, {"Content-Type": "text/html"}, b"<html>maintenance</html>"),
    "a list for an object": [1, 2, 3],
    "an error in JSON": {"error": {"code": "400 Bad Request", "message": "no"}},
    "an object for a list": {"data": {"regionid": 13, "data": []}},
    "500": (500, {}, b"oops"),
    "a cut body": (200, {"Content-Length": "900"}, b'{"data": ['),
    "a slot without an end": {"data": [{"from": "2026-11-21T10:00Z", "intensity": {"forecast": 1, "actual": 2}}]},
    "a slot that ends first": {
        "data": [{"from": "2026-11-21T10:00Z", "to": "2026-11-21T09:00Z", "intensity": {"actual": 2}}]
    },
    "a number that is none": {
        "data": [{"from": "2026-11-21T10:00Z", "to": "2026-11-21T10:30Z", "intensity": {"actual": "lots"}}]
    },
    "hang": "hang",
    "drip": "drip",
    "drip headers": "drip headers",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_leaves_what_was_known_and_is_waited_out(server, open_live, clock, fault):
    live = open_live()
    timeline = live.timeline(GB)
    server.script(half_hours("2026-11-21T10:00", [(150, None), (160, None), (170, None)]), fault)
    refresh(live)
    clock.now_s += gb.PERIOD_S + 60
    assert refresh(live)
    assert likely(timeline, TEN_S + HALF_S) == pytest.approx(160 + ADDED)
    assert live.feeds[0].trouble
    assert not refresh(live)
    clock.now_s += 61
    server.script(half_hours("2026-11-21T10:30", [(None, 155)]))
    assert refresh(live)
    assert likely(timeline, TEN_S + HALF_S) == pytest.approx(155 + ADDED)
    assert not live.feeds[0].trouble


def test_offline_from_the_start_is_the_profile(server, open_live):
    live = open_live()
    timeline = live.timeline(GB)
    refresh(live)  # the script is empty: 500
    assert timeline.live is None
    assert timeline.at(TEN_S).status == "yearly"


def test_waits_are_doubled_up_to_an_hour(server, open_live, clock):
    live = open_live()
    live.timeline(GB)
    waits = []
    for _ in range(9):
        assert refresh(live)
        began_s = clock.now_s
        while not live.feeds[0].is_due(clock.now_s):
            clock.now_s += 1
        waits.append(clock.now_s - began_s)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@pytest.mark.parametrize(("asked_s", "waits_s"), [("300", 300), ("5", 60), ("999999999", 86_400)])
def test_retry_after_is_obeyed_where_it_is_longer(server, open_live, clock, asked_s, waits_s):
    live = open_live()
    live.timeline(GB)
    server.script((429, {"Retry-After": asked_s}, b""))
    refresh(live)
    clock.now_s += waits_s - 1
    assert not live.feeds[0].is_due(clock.now_s)
    clock.now_s += 1
    assert live.feeds[0].is_due(clock.now_s)


def test_another_kernel_does_not_knock_while_one_waits(server, open_live):
    one, other = open_live(), open_live()
    one.timeline(GB)
    other.timeline(GB)
    refresh(one)
    assert refresh(other)  # it looks on the disk, and sees
    assert len(server.asked) == 1


def test_a_clock_that_jumped_back_from_the_future_does_not_silence_it(server, open_live, clock):
    live = open_live()
    live.timeline(GB)
    server.default = half_hours("2026-11-21T10:00", [(150, None)])
    clock.now_s += 3650 * 86_400
    refresh(live)
    clock.now_s -= 3650 * 86_400
    assert refresh(live)


def test_a_slot_with_no_actual_yet_and_holes_of_one_and_two(server, open_live):
    live = open_live()
    timeline = live.timeline(GB)
    slots = half_hours("2026-11-21T06:00", [(None, 100)] * 9)["data"]
    del slots[5:7]  # 08:30 and 09:00
    del slots[2]  # 07:00
    server.script({"data": slots})
    refresh(live)
    hour_s = TEN_S - 4 * 3600
    told = [timeline.at(hour_s + i * HALF_S) for i in range(9)]
    assert ["neighbours" in it.source for it in told] == [i == 2 for i in range(9)]
    assert ["hour of the day" in it.source for it in told] == [i in (5, 6) for i in range(9)]


def test_a_clock_that_is_an_hour_off_is_told_by_the_server_s_own(server, open_live, clock):
    clock.now_s += 3600  # it shows eleven; it is ten
    live = open_live()
    timeline = live.timeline(GB)
    answer = half_hours("2026-11-21T09:30", [(140, None), (150, None), (160, None), (170, None)])
    server.script((200, {"Date": "Sat, 21 Nov 2026 10:01:00 GMT"}, answer))
    refresh(live)
    assert timeline.skew_s == pytest.approx(-3600, abs=2)
    assert likely(timeline, clock.now_s) == pytest.approx(150 + ADDED)
    assert likely(timeline, clock.now_s - HALF_S) == pytest.approx(140 + ADDED)


def test_a_clock_that_is_a_little_off_is_right(server, open_live):
    live = open_live()
    timeline = live.timeline(GB)
    server.script((200, {"Date": "Sat, 21 Nov 2026 10:03:00 GMT"}, half_hours("2026-11-21T10:00", [(150, None)])))
    refresh(live)
    assert timeline.skew_s == 0.0


# --- nobody waits -----------------------------------------------------------------------------------------------


def silent(gate):
    """A resolver, or a server, that says nothing until the gate opens."""

    def ask(request):
        gate.wait(30)
        raise NoAnswer("the name could not be looked up")

    return ask


def test_a_silent_resolver_holds_one_thread_and_nobody_else(open_live):
    gate = threading.Event()
    live = open_live(fetch=silent(gate))
    timeline = live.timeline(GB)
    started_s = time.perf_counter()
    for _ in range(1000):
        live.refresh_soon()
        timeline.at(TEN_S)
    assert time.perf_counter() - started_s < 1.0
    grids = [thread for thread in threading.enumerate() if thread.name == "carbon-grid"]
    assert len(grids) == 1
    assert grids[0].daemon
    gate.set()
    grids[0].join(5)


def test_a_person_who_asks_waits_as_long_as_they_say_and_no_longer(open_live):
    gate = threading.Event()
    live = open_live(fetch=silent(gate))
    live.timeline(GB)
    started_s = time.perf_counter()
    live.refresh_within(0.1)
    assert 0.1 <= time.perf_counter() - started_s < 0.5
    gate.set()
    live._thread.join(5)


def test_the_thread_ends_with_its_round(server, open_live):
    live = open_live()
    live.timeline(GB)
    server.script(half_hours("2026-11-21T10:00", [(150, None)]))
    refresh(live)
    assert not [thread for thread in threading.enumerate() if thread.name == "carbon-grid"]


def test_news_are_told_once_they_are_there(server, open_live):
    heard = []
    live = open_live(on_news=lambda: heard.append(likely(live.timeline(GB), TEN_S)))
    live.timeline(GB)
    server.script(half_hours("2026-11-21T10:00", [(150, None)]))
    refresh(live)
    assert heard == [pytest.approx(150 + ADDED)]


# --- keys and places --------------------------------------------------------------------------------------------

KEY = {"JUPYTER_CARBON_ELECTRICITY_MAPS_KEY": "s3cret-t0ken"}


def em(name, *grams, estimated=False):
    hours = [
        {"carbonIntensity": g, "datetime": f"2026-11-21T{10 + i}:00:00.000Z", "isEstimated": estimated}
        for i, g in enumerate(grams)
    ]
    return {"zone": "DE", name: hours}


def test_a_free_token_has_the_past_and_no_forecast_and_is_not_asked_for_it_again(server, open_live, clock):
    live = open_live(KEY)
    timeline = live.timeline(resolve("DE"))
    server.script(em("history", 300), (401, {}, b"{}"), em("history", 310))
    refresh(live)
    assert (timeline.at(TEN_S).status, likely(timeline, TEN_S)) == ("actual", 300)
    clock.now_s += electricity_maps.PERIOD_S + 60
    refresh(live)
    assert [path.split("?")[0] for path in server.paths()] == ["/history", "/forecast", "/history"]


def test_a_refused_key_is_not_tried_again_until_it_is_another(server, open_live, clock):
    environ = dict(KEY)
    live = open_live(environ)
    live.timeline(resolve("DE"))
    server.script((401, {}, b""), (403, {}, b""))
    refresh(live)
    for _ in range(5):
        clock.now_s += 2 * 3600
        refresh(live)
    assert len(server.asked) == 2
    environ["JUPYTER_CARBON_ELECTRICITY_MAPS_KEY"] = "another"
    server.script(em("history", 300), em("forecast", 310))
    assert refresh(live)
    assert len(server.asked) == 4
    assert likely(live.timeline(resolve("DE")), TEN_S) == 300


def test_an_answer_for_another_zone_is_refused(server, open_live):
    live = open_live(KEY)
    timeline = live.timeline(resolve("DE"))
    server.default = {**em("history", 20), "zone": "FR"}
    refresh(live)
    assert timeline.live is None
    assert "zone" in live.feeds[0].trouble


def test_watttime_logs_in_first_and_tells_another_quantity(server, open_live):
    live = open_live({"JUPYTER_CARBON_WATTTIME_KEY": "me:s3cret"})
    place = resolve("US-CA")
    average, marginal = live.timeline(place), live.timeline(place, "marginal")
    told = {
        "data": [{"point_time": "2026-11-21T10:00:00Z", "value": 870}],
        "meta": {
            "data_point_period_seconds": 300,
            "region": "CAISO_NORTH",
            "signal_type": "co2_moer",
            "units": "lbs_co2_per_mwh",
        },
    }
    server.script({"token": "t0k"}, told)
    refresh(live)
    assert likely(marginal, TEN_S) == pytest.approx(394.6, abs=0.1)
    assert (marginal.at(TEN_S).method, average.at(TEN_S).method) == ("marginal", "average")
    assert [path.split("?")[0] for path in server.paths()] == ["/login", "/v3/forecast"]


def test_no_key_and_no_part_of_a_region_is_written_anywhere(server, open_live, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    live = open_live(KEY, area="EC1A 1BB")
    live.timeline(GB)
    live.timeline(resolve("DE"))
    regional = {
        "data": {
            "regionid": 13,
            "postcode": "EC1A",
            "data": [
                {
                    "from": "2026-11-21T10:00Z",
                    "to": "2026-11-21T10:30Z",
                    "intensity": {"forecast": 90},
                    "generationmix": [],
                }
            ],
        }
    }
    server.script(regional, em("history", 300), (500, {}, b""))
    refresh(live)
    assert "/regional/" in server.paths()[0]
    assert "EC1A" in server.paths()[0]
    written = (
        "".join(f"{path} {path.read_text()}" for path in (tmp_path / "grid").iterdir())
        + caplog.text
        + repr([(feed.chosen, feed.trouble) for feed in live.feeds])
        + repr(live.timeline(GB).at(TEN_S))
    )
    for secret in ("s3cret-t0ken", "EC1A", "ec1a"):
        assert secret not in written


def test_a_key_from_the_keyring_is_asked_for_only_when_its_source_is_named(tmp_path, monkeypatch):
    from jupyter_carbon.grid.providers import key_of

    (tmp_path / "keyring.py").write_text(
        "class errors:\n    class KeyringError(Exception): pass\n"
        "def get_password(service, name): return f'{service}/{name}'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert key_of("eia", {}, keyring=True) == "jupyter_carbon/eia"
    assert key_of("eia", {}, keyring=False) is None
    assert key_of("eia", {"JUPYTER_CARBON_EIA_KEY": "mine"}, keyring=True) == "mine"


def test_a_named_source_is_looked_for_in_the_keyring_where_its_place_is_first_asked_for(
    open_live, tmp_path, monkeypatch
):
    (tmp_path / "keyring.py").write_text(
        "asked = []\nclass errors:\n    class KeyringError(Exception): pass\n"
        "def get_password(service, name):\n    asked.append(name)\n    return 'me:s3cret'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    live = open_live(provider="watttime")
    live.timeline(resolve("US-CA"))
    import keyring

    assert keyring.asked == ["watttime"]
    assert live.timeline(resolve("US-CA"), "marginal").is_fed
    assert keyring.asked == ["watttime"]  # no panel's question opens a window


def test_how_good_forecasts_were_widens_how_good_they_are_taken_to_be(server, open_live):
    live = open_live()
    timeline = live.timeline(GB)
    narrow = timeline.forecast_doubt
    server.script(half_hours("2026-11-20T10:00", [(100, 100 + 60 * (i % 2)) for i in range(48)]))
    refresh(live)
    assert timeline.forecast_doubt.high == pytest.approx((160 + ADDED) / (100 + ADDED))
    assert timeline.forecast_doubt.low == narrow.low


def test_what_lies_on_disk_is_what_was_published(server, open_live, tmp_path):
    live = open_live()
    live.timeline(GB)
    server.script(half_hours("2026-11-21T10:00", [(150, 143)]))
    refresh(live)
    (file,) = (tmp_path / "grid").glob("*.json")
    told = json.loads(file.read_text())
    assert [row[3] for row in told["slots"]] == [143, 150]
    assert told["credit"] == gb.CREDIT
