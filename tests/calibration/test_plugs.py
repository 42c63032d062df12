"""Plugs on the network, over real HTTP: what each kind is asked, and what it answers.

The answers have the shapes that the makers document: shelly-api-docs.shelly.cloud (generation 1 `/status`, generation 2
`Switch.GetStatus`), tasmota.github.io (`Status 8`), developers.home-assistant.io (`/api/states`).
"""

from __future__ import annotations

import time
from functools import partial

import pytest
from scripted import Server, serving

from jupyter_carbon.calibration.fit import CalibrationRefused
from jupyter_carbon.calibration.plugs import PLUG_DEADLINE_S, TOKEN, named
from jupyter_carbon.calibration.words import local
from jupyter_carbon.grid.providers.http import fetch

SHELLY_2 = {
    "id": 0, "source": "HTTP_in", "output": True, "apower": 61.5, "voltage": 230.4, "freq": 50.0, "current": 0.294,
    "aenergy": {"total": 5012.318, "by_minute": [1012.5, 1025.0, 1019.2], "minute_ts": 1763776800},
    "temperature": {"tC": 41.2, "tF": 106.2},
}  # fmt: skip
SHELLY_1 = {
    "wifi_sta": {"connected": True, "ssid": "home", "ip": "192.168.1.20", "rssi": -61},
    "relays": [{"ison": True, "has_timer": False, "overpower": False, "source": "http"}],
    "meters": [
        {"power": 61.5, "overpower": 0.0, "is_valid": True, "timestamp": 1763780400,
         "counters": [61.1, 60.8, 62.0], "total": 300739}
    ],
    "temperature": 36.1, "uptime": 98210,
}  # fmt: skip
TASMOTA = {
    "StatusSNS": {
        "Time": "2026-11-22T02:13:40",
        "ENERGY": {
            "TotalStartTime": "2025-10-21T22:15:00", "Total": 3.705, "Yesterday": 0.028, "Today": 0.026, "Power": 61,
            "ApparentPower": 70, "ReactivePower": 34, "Factor": 0.87, "Voltage": 233, "Current": 0.300,
        },
    }
}  # fmt: skip
HOME_ASSISTANT = {
    "entity_id": "sensor.desk_power",
    "state": "61.5",
    "attributes": {
        "state_class": "measurement", "unit_of_measurement": "W", "device_class": "power", "friendly_name": "Desk power"
    },
    "last_changed": "2026-11-22T02:13:40.118021+00:00",
    "last_updated": "2026-11-22T02:13:40.118021+00:00",
    "context": {"id": "01JD", "parent_id": None, "user_id": None},
}  # fmt: skip
WITH_TOKEN = {TOKEN: "abc"}


@pytest.fixture
def server():
    with serving() as server:
        yield server


def address(server: Server) -> str:
    return server.origin.removeprefix("http://")


def refusal(call) -> str:
    with pytest.raises(CalibrationRefused) as refused:
        call()
    return str(refused.value)


def test_a_shelly_of_the_second_generation(server):
    server.script(SHELLY_2)
    assert named(["shelly", address(server)], {}).watts(fetch) == 61.5
    assert server.paths() == ["/rpc/Switch.GetStatus?id=0"]


def test_a_shelly_of_the_first_generation_knows_no_rpc(server):
    server.script((404, {}, b"Not Found"), SHELLY_1)
    assert named(["shelly", address(server)], {}).watts(fetch) == 61.5
    assert server.paths() == ["/rpc/Switch.GetStatus?id=0", "/status"]


def test_an_energy_meter_of_the_first_generation_has_another_word_for_its_meters(server):
    answer = {**SHELLY_1, "meters": [], "emeters": [{"power": 140.25, "pf": 0.97, "is_valid": True, "total": 5.3}]}
    server.script((404, {}, b"Not Found"), answer)
    assert named(["shelly", address(server)], {}).watts(fetch) == 140.25


def test_a_meter_that_says_it_does_not_count_is_not_believed(server):
    idle = {**SHELLY_1, "meters": [{"power": 0.0, "is_valid": False}]}
    server.script((404, {}, b"Not Found"), idle)
    why = refusal(lambda: named(["shelly", address(server)], {}).watts(fetch))
    assert why == "the shelly plug gave no power: an answer with status 404; an answer without a power in it"


def test_a_tasmota(server):
    server.script(TASMOTA)
    assert named(["tasmota", server.origin], {}).watts(fetch) == 61.0
    assert server.paths() == ["/cm?cmnd=Status%208"]


def test_a_tasmota_with_several_outlets_is_asked_for_its_first(server):
    server.script({"StatusSNS": {"ENERGY": {"Power": [61, 7]}}})
    assert named(["tasmota", address(server)], {}).watts(fetch) == 61.0


def test_a_tasmota_without_a_meter_is_told_so(server):
    server.script({"StatusSNS": {"Time": "2026-11-22T02:13:40"}})
    assert "an answer without a power in it" in refusal(lambda: named(["tasmota", address(server)], {}).watts(fetch))


def test_a_sensor_of_home_assistant_with_its_token(server):
    server.script(HOME_ASSISTANT)
    plug = named(["home-assistant", server.origin, "sensor.desk_power"], WITH_TOKEN)
    assert plug.watts(fetch) == 61.5
    [(path, headers)] = server.asked
    assert (path, headers["Authorization"]) == ("/api/states/sensor.desk_power", "Bearer abc")


def test_a_sensor_in_kilowatts_is_turned_into_watts(server):
    server.script({**HOME_ASSISTANT, "state": "0.0615", "attributes": {"unit_of_measurement": "kW"}})
    plug = named(["home-assistant", server.origin, "sensor.desk_power"], WITH_TOKEN)
    assert plug.watts(fetch) == pytest.approx(61.5)


def test_a_sensor_of_energy_is_refused_with_its_unit(server):
    server.script({**HOME_ASSISTANT, "state": "12.1", "attributes": {"unit_of_measurement": "kWh"}})
    plug = named(["home-assistant", server.origin, "sensor.desk_energy"], WITH_TOKEN)
    assert refusal(lambda: plug.watts(fetch)) == "that sensor shows kWh.  Name one that shows power (W)"


@pytest.mark.parametrize("state", ["unavailable", "unknown", "nan"])
def test_a_sensor_that_knows_nothing_gives_no_power(server, state):
    server.script({**HOME_ASSISTANT, "state": state})
    plug = named(["home-assistant", server.origin, "sensor.desk_power"], WITH_TOKEN)
    assert "gave no power" in refusal(lambda: plug.watts(fetch))


def test_a_token_is_asked_for_with_where_to_put_it_and_never_shown(server):
    why = refusal(lambda: named(["home-assistant", server.origin, "sensor.desk_power"], {}))
    assert TOKEN in why
    server.script((401, {}, b"401: Unauthorized"))
    plug = named(["home-assistant", server.origin, "sensor.desk_power"], {TOKEN: "secret-token"})
    why = refusal(lambda: plug.watts(fetch))
    assert "another token" in why
    assert "secret-token" not in why + repr(plug)


def test_a_sensor_that_is_misspelt_is_told_so(server):
    server.script((404, {}, b'{"message":"Entity not found."}'))
    plug = named(["home-assistant", server.origin, "sensor.desk_pwer"], WITH_TOKEN)
    assert refusal(lambda: plug.watts(fetch)).endswith("it knows no sensor of that name")


def test_a_plug_that_accepts_and_says_nothing_is_not_waited_for_long(server):
    server.script("hang", "hang")
    began_s = time.monotonic()
    quick = partial(fetch, deadline_s=0.2)
    assert "no answer in time" in refusal(lambda: named(["shelly", address(server)], {}).watts(quick))
    assert time.monotonic() - began_s < 2.0
    assert local.keywords == {"deadline_s": PLUG_DEADLINE_S}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"meters": []}', b'"61.5"'])
def test_an_answer_of_anything_else_is_no_power(server, body):
    server.script(body, body)
    assert "gave no power" in refusal(lambda: named(["shelly", address(server)], {}).watts(fetch))


def test_an_address_where_nothing_answers(server):
    gone = address(server)
    server.shutdown()
    server.server_close()
    assert "the connection was refused" in refusal(lambda: named(["tasmota", gone], {}).watts(fetch))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name the plug: shelly ADDRESS"),
        (["kasa", "192.168.1.9"], "name the plug: shelly ADDRESS"),
        (["shelly"], "%carbon calibrate plug shelly 192.168.1.20"),
        (["tasmota", "a", "b"], "%carbon calibrate plug tasmota 192.168.1.20"),
        (["home-assistant", "http://ha.local:8123"], "http://ha.local:8123 sensor.desk_power"),
        (["shelly", "ftp://plug"], "ftp://plug is no address"),
        (["shelly", "http://"], "is no address"),
    ],
)
def test_what_is_missing_is_said_with_an_example(words, says):
    assert says in refusal(lambda: named(words, WITH_TOKEN))
