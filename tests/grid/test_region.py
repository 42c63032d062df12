"""Names that people use, and what a machine knows of the place where it stands."""

import json
from pathlib import Path

import pytest

from jupyter_carbon.grid.region import guess, resolve
from jupyter_carbon.model import UnknownRegion

AZURE = {
    "sys/class/dmi/id/sys_vendor": "Microsoft Corporation",
    "sys/class/dmi/id/chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77",
}
AWS = {"sys/class/dmi/id/sys_vendor": "Amazon EC2"}
GOOGLE = {"sys/class/dmi/id/sys_vendor": "Google", "sys/class/dmi/id/product_name": "Google Compute Engine"}


def instance_data(cloud_name: str, region: str) -> dict[str, str]:
    return {"run/cloud-init/instance-data.json": json.dumps({"v1": {"cloud_name": cloud_name, "region": region}})}


@pytest.mark.parametrize(
    ("text", "code", "country"),
    [
        ("FR", "FR", "FR"),
        ("fra", "FR", "FR"),
        (" France ", "FR", "FR"),
        ("uk", "GB", "GB"),
        ("Czech Republic", "CZ", "CZ"),
        ("Côte d'Ivoire", "CI", "CI"),
        ("cote d ivoire", "CI", "CI"),
        ("US-CA", "US-CA", "US"),
        ("us_ca", "US-CA", "US"),
        ("New York", "US-NY", "US"),
        ("CA-QC", "CA-QC", "CA"),
        ("quebec", "CA-QC", "CA"),
        ("DK-DK1", "DK-DK1", "DK"),
        ("SE3", "SE-SE3", "SE"),
        ("GB", "GB", "GB"),
        ("Liechtenstein", "LI", "LI"),
        ("aws:eu-west-3", "aws:eu-west-3", "FR"),
        ("AWS:EU-WEST-3", "aws:eu-west-3", "FR"),
        ("gcp:europe-west1", "gcp:europe-west1", "BE"),
        ("azure:francecentral", "azure:francecentral", "FR"),
        ("westeurope", "azure:westeurope", "NL"),
        ("us-east-1", "aws:us-east-1", "US"),
        ("us-east1", "gcp:us-east1", "US"),
        ("US-MIDA-PJM", "US-MIDA-PJM", "US"),
        ("EGRID-CAMX", "EGRID-CAMX", "US"),
        ("BHS", "BS", "BS"),
        ("WORLD", "WORLD", None),
        ("world", "WORLD", None),
    ],
)
def test_a_place_is_known_by_each_of_its_names(text, code, country):
    region = resolve(text)
    assert (region.code, region.country_iso2, region.how) == (code, country, "given")


def test_a_cloud_region_keeps_its_owner_and_its_grid():
    region = resolve("aws:us-east-1")
    assert region.provider == "aws"
    assert region.grids == ("US-MIDA-PJM", "US")


@pytest.mark.parametrize(
    ("text", "meanings"), [("Georgia", ["GE", "US-GA"]), ("congo", ["CD", "CG"]), ("korea", ["KP", "KR"])]
)
def test_a_word_for_two_places_is_asked_back(text, meanings):
    with pytest.raises(UnknownRegion, match="more than one region") as err:
        resolve(text)
    assert all(f"{code} (" in str(err.value) for code in meanings)


@pytest.mark.parametrize("text", ["FR,DE", "FR DE", "France and Germany", "US-CA/US-NY", "aws:eu-west-3; FR"])
def test_two_regions_are_not_one(text):
    with pytest.raises(UnknownRegion, match="is 2 regions"):
        resolve(text)


@pytest.mark.parametrize(
    ("text", "near"),
    [("Frence", "France"), ("aws:eu-west-9", "aws:eu-west-3"), ("Califronia", "California"), ("DK-DK3", "DK-DK1")],
)
def test_an_unknown_region_names_what_is_near(text, near):
    with pytest.raises(UnknownRegion, match=near):
        resolve(text)


@pytest.mark.parametrize("text", ["", "  ", "EU", "Atlantis", "127.0.0.1", "FR\nDE\n", "'; drop table", "a" * 9999])
def test_what_is_no_region_is_refused(text):
    with pytest.raises(UnknownRegion):
        resolve(text)


def test_the_names_do_not_need_the_share_alike_folder(permissive):
    codes = ["FR", "US-CA", "CA-QC", "DK-DK1", "GB", "WORLD"]
    codes += ["aws:eu-west-3", "gcp:europe-west1", "azure:francecentral"]
    assert [resolve(code, data=permissive).code for code in codes] == codes


# --- what the machine knows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "environ", "code"),
    [
        (AWS | instance_data("aws", "eu-west-3"), {}, "aws:eu-west-3"),
        (AWS | {"etc/resolv.conf": "nameserver 10.0.0.2\nsearch sa-east-1.compute.internal"}, {}, "aws:sa-east-1"),
        (AWS | {"etc/resolv.conf": "search ec2.internal"}, {}, "aws:us-east-1"),
        (AWS | {"etc/hostname": "ip-10-0-0-5.eu-north-1.compute.internal"}, {}, "aws:eu-north-1"),
        (AWS, {"AWS_REGION": "us-west-2"}, "aws:us-west-2"),
        (AWS, {"AWS_DEFAULT_REGION": "us-west-2"}, "aws:us-west-2"),
        (AWS | instance_data("aws", "eu-west-3"), {"AWS_REGION": "us-west-2"}, "aws:eu-west-3"),
        (
            {"sys/class/dmi/id/sys_vendor": "Xen", "sys/class/dmi/id/bios_version": "4.11.amazon"}
            | instance_data("aws", "eu-west-1"),
            {},
            "aws:eu-west-1",
        ),
        ({}, {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_REGION": "eu-south-2"}, "aws:eu-south-2"),
        (GOOGLE | instance_data("gce", "europe-west1"), {}, "gcp:europe-west1"),
        (
            GOOGLE | {"etc/resolv.conf": "search svc.cluster.local europe-west4-a.c.my-lab.internal google.internal"},
            {},
            "gcp:europe-west4",
        ),
        (AZURE | instance_data("azure", "francecentral"), {}, "azure:francecentral"),
        (instance_data("azure", "WestEurope"), {}, "azure:westeurope"),
        (
            {"sys/devices/virtual/dmi/id/sys_vendor": "Amazon EC2"} | instance_data("aws", "eu-west-2"),
            {},
            "aws:eu-west-2",
        ),
    ],
)
def test_a_cloud_instance_knows_its_region_from_its_own_files(machine, files, environ, code):
    region = guess(machine(files), environ)
    assert (region.code, region.how) == (code, "cloud")


def test_a_laptop_with_cloud_settings_is_no_cloud(machine):
    root = machine({"sys/class/dmi/id/sys_vendor": "LENOVO", "etc/resolv.conf": "search eu-west-3.compute.internal"})
    region = guess(root, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "TZ": "Europe/Berlin"})
    assert (region.code, region.how, region.provider) == ("DE", "time zone", None)


@pytest.mark.parametrize(
    "files",
    [
        {"sys/class/dmi/id/sys_vendor": "Microsoft Corporation", "sys/class/dmi/id/product_name": "Surface Laptop 5"},
        {"sys/class/dmi/id/sys_vendor": "Google", "sys/class/dmi/id/product_name": "Eve"},
    ],
)
def test_the_makers_own_laptops_are_no_cloud(machine, files):
    assert guess(machine(files), {}).provider is None


def test_a_cloud_of_unknown_region_keeps_its_owner(machine):
    region = guess(machine(AZURE | {"etc/timezone": "Etc/UTC"}), {})
    assert (region.code, region.how, region.provider) == ("WORLD", "default", "azure")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"v1": null}', '{"v1": [1]}', '{"v1": {"region": 7}}', '{"v1": {"region": "mars-1"}}']
)
def test_a_broken_identity_file_says_nothing(machine, text):
    region = guess(machine(AWS | {"run/cloud-init/instance-data.json": text}), {})
    assert (region.code, region.how) == ("WORLD", "default")


@pytest.mark.parametrize(
    ("zone", "code"),
    [
        ("Europe/Paris", "FR"),
        ("Europe/Copenhagen", "DK"),
        ("America/Los_Angeles", "US"),
        ("US/Pacific", "US"),
        ("Asia/Calcutta", "IN"),
        ("Japan", "JP"),
        ("GB", "GB"),
        ("Europe/Vaduz", "LI"),
    ],
)
def test_a_time_zone_names_a_country(machine, zone, code):
    by_variable = guess(machine({}), {"TZ": zone})
    by_colon = guess(machine({}), {"TZ": f":{zone}"})
    by_file = guess(machine({"etc/timezone": zone}), {})
    assert {(region.code, region.how) for region in (by_variable, by_colon, by_file)} == {(code, "time zone")}


def test_a_time_zone_is_read_from_the_link(machine):
    root = machine({"etc/hostname": "box"})
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/America/Sao_Paulo")
    assert guess(root, {}).code == "BR"


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Etc/GMT+3", "GMT", "CET", "EST5EDT", "Mars/Olympus", "/etc/clock"])
def test_a_clock_is_no_place(machine, zone):
    region = guess(machine({}), {"TZ": zone})
    assert (region.code, region.how, region.country_iso2) == ("WORLD", "default", None)


def test_a_machine_told_to_keep_utc_is_not_where_its_files_once_were(machine):
    assert guess(machine({"etc/timezone": "Europe/Paris"}), {"TZ": "UTC"}).code == "WORLD"


def test_a_bare_machine_is_somewhere_in_the_world(machine):
    assert guess(machine({}), {}).grids == ("WORLD",)


def test_this_machine_can_be_asked():
    assert guess(Path("/")).grids
