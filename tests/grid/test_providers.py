"""Each source: what exactly is asked, and what its recorded shapes mean."""

import io
import json
import zipfile
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest

from jupyter_carbon.grid import PROVIDERS
from jupyter_carbon.grid.providers import (
    NoAnswer,
    Question,
    choose,
    denmark,
    eia,
    electricity_maps,
    entsoe,
    france,
    gb,
    watttime,
)
from jupyter_carbon.grid.region import resolve

TEN = datetime(2026, 11, 21, 10, tzinfo=timezone.utc)
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def question(source, region, area="", key=None):
    place = resolve(region)
    zone = source.zone(place, area)
    assert zone is not None
    return Question(place, zone, TEN, NOON, NOON + timedelta(hours=2), key)


def body(answer):
    return json.dumps(answer).encode()


def told(slots):
    """Start, likely grams and status of each slot."""
    return [(slot.start, pytest.approx(slot.gco2e_per_kwh.likely), slot.status) for slot in slots]


def query(request):
    return {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}


# --- Great Britain ----------------------------------------------------------------------------------------------


def test_gb_asks_for_a_span_of_half_hours():
    (request,) = gb.request(question(gb, "GB"))
    assert request.url == "https://api.carbonintensity.org.uk/intensity/2026-11-21T10:00Z/2026-11-21T14:00Z"


@pytest.mark.parametrize(
    ("area", "path"),
    [("EC1A 1BB", "postcode/EC1A"), ("ec1a", "postcode/EC1A"), ("M1 1AE", "postcode/M1"), ("13", "regionid/13")],
)
def test_gb_sends_the_outward_half_of_a_postcode_or_a_region_s_number(area, path):
    (request,) = gb.request(question(gb, "GB", area))
    span = "2026-11-21T10:00Z/2026-11-21T14:00Z"
    assert request.url == f"https://api.carbonintensity.org.uk/regional/intensity/{span}/{path}"


@pytest.mark.parametrize("area", ["", "London", "18", "not a postcode at all"])
def test_gb_takes_no_word_for_a_part_that_it_does_not_know(area):
    assert gb.zone(resolve("GB"), area) == "national"


def test_gb_national_slots_have_a_forecast_and_once_over_an_actual():
    answer = {
        "data": [
            {
                "from": "2026-11-21T10:00Z",
                "to": "2026-11-21T10:30Z",
                "intensity": {"forecast": 150, "actual": 143, "index": "moderate"},
            },
            {
                "from": "2026-11-21T10:30Z",
                "to": "2026-11-21T11:00Z",
                "intensity": {"forecast": 160, "actual": None, "index": "moderate"},
            },
        ]
    }
    slots = gb.parse(body(answer), question(gb, "GB"))
    assert told(slots) == [
        ("2026-11-21T10:00:00Z", 143, "actual"),
        ("2026-11-21T10:00:00Z", 150, "forecast"),
        ("2026-11-21T10:30:00Z", 160, "forecast"),
    ]
    assert {(slot.basis, slot.method, slot.region, slot.end) for slot in slots[2:]} == {
        ("direct", "average", "GB", "2026-11-21T11:00:00Z")
    }


REGIONAL = {
    "from": "2026-11-21T10:00Z",
    "to": "2026-11-21T10:30Z",
    "intensity": {"forecast": 150, "index": "moderate"},
    "generationmix": [{"fuel": "gas", "perc": 40.0}, {"fuel": "wind", "perc": 60.0}],
}


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"regionid": 13, "postcode": "EC1A", "data": [REGIONAL]}]},
        {"data": {"regionid": 13, "postcode": "EC1A", "data": [REGIONAL]}},
    ],
    ids=["now: a list of regions", "a range: one region's object"],
)
def test_gb_regions_come_as_a_list_or_as_an_object(answer):
    slots = gb.parse(body(answer), question(gb, "GB", "EC1A"))
    assert told(slots) == [("2026-11-21T10:00:00Z", 0.4 * 490 + 0.6 * 11, "forecast")]
    assert slots[0].basis == "lifecycle"  # from the mix; a bare 150 would be direct


def test_gb_regions_without_a_mix_stay_direct():
    bare = {"data": {"regionid": 13, "data": [{**REGIONAL, "generationmix": []}]}}
    (slot,) = gb.parse(body(bare), question(gb, "GB", "13"))
    assert (slot.basis, slot.gco2e_per_kwh.likely) == ("direct", pytest.approx(150))


def test_gb_errors_are_no_slots():
    with pytest.raises(NoAnswer, match="error"):
        gb.parse(body({"error": {"code": "400 Bad Request", "message": "no"}}), question(gb, "GB"))
    with pytest.raises(NoAnswer, match="empty"):
        gb.parse(b"", question(gb, "GB"))


def test_northern_ireland_is_on_another_grid():
    assert gb.zone(resolve("GB-NIR"), "") is None


# --- Denmark ----------------------------------------------------------------------------------------------------


def test_dk_asks_both_data_sets_in_utc_for_one_area():
    actual, prognosis = denmark.request(question(denmark, "DK-DK1"))
    assert urlsplit(actual.url).path == "/dataset/CO2Emis"
    assert urlsplit(prognosis.url).path == "/dataset/CO2EmisProg"
    assert query(prognosis) == {**query(actual), "end": "2026-11-21T14:00"}
    assert query(actual) == {
        "start": "2026-11-21T10:00",
        "end": "2026-11-21T12:30",
        "filter": '{"PriceArea":["DK1"]}',
        "sort": "Minutes5UTC asc",
        "limit": "0",
        "timezone": "utc",
    }


def row(utc, area="DK1", grams=86.0):
    return {"Minutes5UTC": utc, "Minutes5DK": "1999-01-01T00:00:00", "PriceArea": area, "CO2Emission": grams}


@pytest.mark.parametrize(("dataset", "status"), [("CO2Emis", "actual"), ("CO2EmisProg", "forecast")])
def test_dk_times_are_utc_though_no_z_says_so(dataset, status):
    answer = {"total": 1, "limit": 0, "dataset": dataset, "records": [row("2026-11-21T10:00:00")]}
    (slot,) = denmark.parse(body(answer), question(denmark, "DK-DK1"))
    assert (slot.start, slot.end, slot.status) == ("2026-11-21T10:00:00Z", "2026-11-21T10:05:00Z", status)
    assert (slot.gco2e_per_kwh.likely, slot.basis, slot.region) == (86.0, "direct", "DK-DK1")


@pytest.mark.parametrize(
    ("change", "local"),
    [("2026-10-25T00:30:00 2026-10-25T01:30:00", "two at 02:30"), ("2027-03-28T00:55:00 2027-03-28T01:00:00", "gap")],
)
def test_dk_days_of_23_and_25_hours_lose_and_double_nothing(change, local):
    answer = {"dataset": "CO2Emis", "records": [row(utc) for utc in change.split()]}
    slots = denmark.parse(body(answer), question(denmark, "DK-DK1"))
    assert [slot.start for slot in slots] == [f"{utc}Z" for utc in change.split()]


def test_dk_another_area_is_refused():
    answer = {"dataset": "CO2Emis", "records": [row("2026-11-21T10:00:00", area="DK2")]}
    with pytest.raises(NoAnswer, match="area"):
        denmark.parse(body(answer), question(denmark, "DK-DK1"))


def test_dk_as_a_whole_is_not_asked_for():
    assert denmark.zone(resolve("DK"), "") is None


# --- France -----------------------------------------------------------------------------------------------------

MIX = {
    "nucleaire": 41000,
    "gaz": 3000,
    "charbon": 0,
    "fioul": 0,
    "hydraulique": 3000,
    "eolien": 2000,
    "solaire": 0,
    "bioenergies": 1000,
}


def test_fr_asks_in_pages_of_a_hundred_rows():
    (request,) = france.request(question(france, "FR"))
    assert query(request) == {
        "where": "date_heure >= date'2026-11-21T10:00:00Z' and date_heure < date'2026-11-21T12:30:00Z' "
        "and taux_co2 is not null",
        "order_by": "date_heure desc",
        "limit": "100",
        "offset": "0",
    }
    later = TEN + timedelta(days=3)
    day = Question(resolve("FR"), "FR", TEN, later, later + timedelta(days=2), None)
    assert [query(request)["offset"] for request in france.request(day)] == ["0", "100", "200"]


def test_fr_life_cycle_comes_from_the_mix():
    answer = {
        "total_count": 2,
        "results": [
            {"date_heure": "2026-11-21T10:15:00+00:00", "taux_co2": None, **dict.fromkeys(MIX)},
            {"date_heure": "2026-11-21T11:00:00+01:00", "taux_co2": 23, **MIX},
        ],
    }
    (slot,) = france.parse(body(answer), question(france, "FR"))
    grams = (41000 * 12 + 3000 * 490 + 3000 * 24 + 2000 * 11 + 1000 * 230) / 50000
    assert told([slot]) == [("2026-11-21T10:00:00Z", grams, "actual")]
    assert (slot.basis, slot.end) == ("lifecycle", "2026-11-21T10:15:00Z")


def test_fr_without_its_whole_mix_is_the_direct_number():
    answer = {"results": [{"date_heure": "2026-11-21T10:00:00+00:00", "taux_co2": 23, "nucleaire": 41000}]}
    (slot,) = france.parse(body(answer), question(france, "FR"))
    assert (slot.basis, slot.gco2e_per_kwh.likely) == ("direct", 23)


# --- Electricity Maps -------------------------------------------------------------------------------------------


def test_em_asks_for_life_cycle_and_never_for_the_caller_s_own_zone():
    history, forecast = electricity_maps.request(question(electricity_maps, "DK-DK1", key="s3cret"))
    assert urlsplit(history.url).path == "/v3/carbon-intensity/history"
    assert urlsplit(forecast.url).path == "/v3/carbon-intensity/forecast"
    assert query(history) == {
        "zone": "DK-DK1",
        "emissionFactorType": "lifecycle",
        "temporalGranularity": "hourly",
        "disableCallerLookup": "true",
    }
    assert history.headers == {"auth-token": "s3cret"}
    assert "s3cret" not in history.url + repr(history) + repr(question(electricity_maps, "DK-DK1", key="s3cret"))


def test_em_says_what_is_estimated():
    answer = {
        "zone": "DK-DK1",
        "history": [
            {"carbonIntensity": 112, "datetime": "2026-11-21T10:00:00.000Z", "isEstimated": False},
            {"carbonIntensity": 110, "datetime": "2026-11-21T11:00:00.000Z", "isEstimated": True},
            {"carbonIntensity": None, "datetime": "2026-11-21T12:00:00.000Z", "isEstimated": True},
        ],
    }
    slots = electricity_maps.parse(body(answer), question(electricity_maps, "DK-DK1", key="k"))
    assert told(slots) == [("2026-11-21T10:00:00Z", 112, "actual"), ("2026-11-21T11:00:00Z", 110, "estimated")]
    assert slots[0].end == "2026-11-21T11:00:00Z"


def test_em_forecast_and_latest():
    asked = question(electricity_maps, "DK-DK1", key="k")
    forecast = {"zone": "DK-DK1", "forecast": [{"carbonIntensity": 77, "datetime": "2026-11-21T11:00:00.000Z"}]}
    latest = {"zone": "DK-DK1", "carbonIntensity": 112, "datetime": "2026-11-21T10:00:00.000Z", "isEstimated": True}
    assert told(electricity_maps.parse(body(forecast), asked)) == [("2026-11-21T11:00:00Z", 77, "forecast")]
    assert told(electricity_maps.parse(body(latest), asked)) == [("2026-11-21T10:00:00Z", 112, "estimated")]


def test_em_another_zone_than_asked_is_refused():
    answer = {"zone": "FR", "history": [{"carbonIntensity": 20, "datetime": "2026-11-21T10:00:00.000Z"}]}
    with pytest.raises(NoAnswer, match="zone"):
        electricity_maps.parse(body(answer), question(electricity_maps, "DK-DK1", key="k"))


# --- WattTime ---------------------------------------------------------------------------------------------------

MOER = {
    "data": [{"point_time": "2026-11-21T10:00:00Z", "value": 870}],
    "meta": {
        "data_point_period_seconds": 300,
        "region": "CAISO_NORTH",
        "signal_type": "co2_moer",
        "units": "lbs_co2_per_mwh",
    },
}


def test_watttime_pounds_a_megawatt_hour_become_grams_a_kilowatt_hour():
    (slot,) = watttime.parse(body(MOER), question(watttime, "US-CA"))
    assert slot.gco2e_per_kwh.likely == pytest.approx(394.6, abs=0.05)
    assert (slot.method, slot.basis, slot.status) == ("marginal", "direct", "forecast")
    assert slot.end == "2026-11-21T10:05:00Z"


@pytest.mark.parametrize(
    ("name", "value"), [("units", "kg_co2_per_mwh"), ("signal_type", "co2_aoer"), ("region", "PJM_CHICAGO")]
)
def test_watttime_another_unit_signal_or_region_is_refused(name, value):
    with pytest.raises(NoAnswer, match="another"):
        watttime.parse(body({**MOER, "meta": {**MOER["meta"], name: value}}), question(watttime, "US-CA"))


def test_watttime_logs_in_with_name_and_password_and_asks_with_the_token():
    assert watttime.login("me:pw").headers == {"Authorization": "Basic " + b64encode(b"me:pw").decode()}
    assert watttime.token(body({"token": "t0k"})) == "t0k"
    (request,) = watttime.request(question(watttime, "US-CA", key="t0k"))
    assert request.headers == {"Authorization": "Bearer t0k"}
    assert query(request)["signal_type"] == "co2_moer"


def test_watttime_takes_its_own_word_for_another_region():
    assert watttime.zone(resolve("US-IL"), "PJM_CHICAGO") == "PJM_CHICAGO"
    assert watttime.zone(resolve("US-IL"), "") is None


# --- EIA --------------------------------------------------------------------------------------------------------


def test_eia_asks_a_balancing_area_by_its_last_word():
    (request,) = eia.request(question(eia, "US-TX", key="k"))
    asked = query(request)
    assert asked["facets[respondent][]"] == "ERCO"
    assert asked["frequency"] == "hourly"
    assert asked["start"] == "2026-11-21T10"
    assert asked["length"] == "5000"


def test_eia_weighs_the_mix_of_the_hour_that_ends_then():
    def fuel(kind, value):
        return {"period": "2026-11-21T10", "respondent": "ERCO", "fueltype": kind, "value": value}

    rows = [fuel("WND", "20"), fuel("NG", 60), fuel("SUN", -1), fuel("NUC", None), fuel("BAT", "500")]
    answer = {"response": {"total": "5", "data": rows}}
    slots = eia.parse(body(answer), question(eia, "US-TX", key="k"))
    assert told(slots) == [("2026-11-21T09:00:00Z", (20 * 11 + 60 * 490) / 80, "actual")]
    assert slots[0].basis == "lifecycle"


# --- ENTSO-E ----------------------------------------------------------------------------------------------------


def document(*series):
    return (
        '<?xml version="1.0"?><GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0">'
        + "".join(series)
        + "</GL_MarketDocument>"
    ).encode()


def series(kind, points, *, resolution="PT60M", direction="in", end="12:00"):
    return (
        f'<TimeSeries><{direction}BiddingZone_Domain.mRID codingScheme="A01">10Y1001A1001A83F'
        f"</{direction}BiddingZone_Domain.mRID><MktPSRType><psrType>{kind}</psrType></MktPSRType><Period><timeInterval>"
        f"<start>2026-11-21T10:00Z</start><end>2026-11-21T{end}Z</end></timeInterval><resolution>{resolution}"
        "</resolution>"
        + "".join(f"<Point><position>{at}</position><quantity>{mw}</quantity></Point>" for at, mw in points.items())
        + "</Period></TimeSeries>"
    )


def test_entsoe_asks_for_actual_generation_by_type():
    (request,) = entsoe.request(question(entsoe, "DE", key="k"))
    assert query(request) == {
        "securityToken": "k",
        "documentType": "A75",
        "processType": "A16",
        "in_Domain": "10Y1001A1001A83F",
        "periodStart": "202611211000",
        "periodEnd": "202611211300",
    }


def test_entsoe_an_omitted_position_repeats_the_one_before():
    answer = document(
        series("B19", {1: 300, 2: 100}),
        series("B04", {1: 100}),  # the second hour is left out: as the first
        series("B10", {1: 999, 2: 999}, direction="out"),  # pumping
    )
    slots = entsoe.parse(answer, question(entsoe, "DE", key="k"))
    assert len(slots) == 8
    assert told(slots[::4]) == [
        ("2026-11-21T10:00:00Z", (300 * 11 + 100 * 490) / 400, "actual"),
        ("2026-11-21T11:00:00Z", (100 * 11 + 100 * 490) / 200, "actual"),
    ]


def test_entsoe_quarters_and_hours_stand_in_one_answer():
    answer = document(
        series("B19", {1: 100, 2: 200, 3: 300, 4: 400}, resolution="PT15M", end="11:00"),
        series("B14", {1: 100}, end="11:00"),
    )
    slots = entsoe.parse(answer, question(entsoe, "DE", key="k"))
    grams = [(mw * 11 + 100 * 12) / (mw + 100) for mw in (100, 200, 300, 400)]
    assert [slot.gco2e_per_kwh.likely for slot in slots] == pytest.approx(grams)


def test_entsoe_a_large_answer_comes_zipped():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("1.xml", document(series("B14", {1: 100})))
    assert entsoe.parse(packed.getvalue(), question(entsoe, "DE", key="k"))[0].gco2e_per_kwh.likely == 12


def test_entsoe_no_data_is_an_answer():
    name = b"Acknowledgement_MarketDocument"
    none = b'<%s xmlns="urn:x"><Reason><code>999</code></Reason></%s>' % (name, name)
    assert entsoe.parse(none, question(entsoe, "DE", key="k")) == []


@pytest.mark.parametrize("answer", [b"<html><body>busy</body></html>", b"not xml", b"PK\x03\x04cut"])
def test_entsoe_what_is_no_document_is_refused(answer):
    with pytest.raises(NoAnswer):
        entsoe.parse(answer, question(entsoe, "DE", key="k"))


# --- which one --------------------------------------------------------------------------------------------------


def chosen(region, wanted="", area="", method="average", **environ):
    found = choose(resolve(region), wanted=wanted, area=area, method=method, environ=environ, names=PROVIDERS)
    return found and found.name


def test_sources_without_a_key_come_first():
    assert chosen("GB", JUPYTER_CARBON_ELECTRICITY_MAPS_KEY="k") == "gb"
    assert chosen("aws:eu-west-2") == "gb"
    assert chosen("DK-DK2") == "denmark"
    assert chosen("FR") == "france"


def test_a_key_opens_a_source_and_no_key_does_not():
    assert chosen("DE") is None
    assert chosen("DE", JUPYTER_CARBON_ENTSOE_KEY="k") == "entsoe"
    assert chosen("US-TX", JUPYTER_CARBON_EIA_KEY="k") == "eia"
    assert chosen("US-TX", JUPYTER_CARBON_EIA_KEY="k", JUPYTER_CARBON_ELECTRICITY_MAPS_KEY="k") == "electricity_maps"


def test_a_source_that_is_named_is_the_one():
    assert chosen("GB", wanted="electricity_maps", JUPYTER_CARBON_ELECTRICITY_MAPS_KEY="k") == "electricity_maps"
    assert chosen("DE", wanted="gb") is None


def test_a_marginal_signal_is_never_taken_for_an_average():
    assert chosen("US-CA", JUPYTER_CARBON_WATTTIME_KEY="me:pw") is None
    assert chosen("US-CA", method="marginal", JUPYTER_CARBON_WATTTIME_KEY="me:pw") == "watttime"
    assert chosen("GB", method="marginal") is None
