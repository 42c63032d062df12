"""Rebuild every table of this folder but chassis.csv: ``python data/build.py --reference DIR``.

DIR holds the collected figures (grid_countries.csv, cpus.csv and so on, each row with its publisher and licence).
What is wrong, unverified or another's property there is left out or put apart here, with the reason beside it.
Rows whose licence asks for the same licence in turn go to ``sharealike/``; the same columns, a file of their own.
"""

from __future__ import annotations

import argparse
import csv
import re
import statistics
import zoneinfo
from collections.abc import Iterable
from pathlib import Path

from places import ALIASES, CODES, ISLANDS_GRID, NORDIC_ZONES, PROVINCES, STATES, ZONE_OF_CLOUD

from jupyter_carbon.grid.region import place_key
from jupyter_carbon.tables import cpu_key, gpu_words

HERE = Path(__file__).parent
READ_YEAR = "2026"  # the edition of a living list is the year it was read
SHARE_ALIKE = re.compile(r"ODbL|CC-BY-SA")
Row = dict[str, str]


def columns(names: str) -> list[str]:
    """Names of columns, parted by blanks."""
    return names.split()


GRID = columns(
    "code name country iso3 gco2e_per_kwh low high year basis boundary method publisher licence source url flags"
)
PLACES = ["key", "code", "name", "country", "provider", "grids"]
CLOUD = columns(
    "code provider region location country zone pue pue_year wue_l_per_kwh wue_year publisher year licence "
    "source url note"
)
CPUS = columns("key model vendor tdp_w cores threads release_year tdp_others publisher year licence source")
GPUS = columns(
    "key model vendor kind form tdp_w idle_w idle_source memory_gb fp32_tflops tensor_tflops embodied_kgco2e "
    "embodied_low_kgco2e embodied_high_kgco2e embodied_source release_year publisher year licence source url "
    "note"
)
EMBODIED = columns("code device kgco2e low high per life_years boundary publisher year licence source url note")
PUE = ["code", "scope", "pue", "low", "high", "basis", "publisher", "year", "licence", "source", "url", "note"]
WATER = ["code", "name", "l_per_kwh", "low", "high", "basis", "publisher", "year", "licence", "source", "url", "note"]
EQUIVALENTS = columns("code activity unit kgco2e_per_unit kwh_per_unit low high publisher year licence source url note")
TIME_ZONES = ["code", "country", "publisher", "year", "licence", "source"]
HOURS = [f"h{hour}" for hour in range(24)]
PAIRS = columns("code name direct_gco2e_per_kwh lifecycle_gco2e_per_kwh year boundary publisher licence source url")
HOURLY = ["code", "tz", "month", "statistic", *HOURS, "year", "basis", "boundary", "publisher", "licence", "source"]


def main() -> None:
    """Read the folder named on the command line and write every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True, help="folder of the collected figures")
    parser.add_argument("--only", nargs="*", help="names of tables to write; all without it")
    args = parser.parse_args()

    def read(name: str) -> list[Row]:
        with (args.reference / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    countries = grid_countries(read("grid_countries"))
    regions = grid_regions(read("grid_subnational"))
    clouds = cloud_regions(read("cloud_regions"), read("grid_countries"))
    tables: dict[str, tuple[list[str], list[Row]]] = {
        "grid_countries": (GRID, countries),
        "grid_regions": (GRID, regions),
        "grid_hourly": (HOURLY, grid_hourly(read("grid_hourly_profile"))),
        "grid_direct": (PAIRS, grid_direct(read("grid_countries"), read("grid_subnational"))),
        "cloud_regions": (CLOUD, clouds),
        "cpus": (CPUS, cpus(read("cpus"), read("gpus"))),
        "gpus": (GPUS, gpus(read("gpus"))),
        "embodied": (EMBODIED, embodied(read("embodied"))),
        "embodied_devices": (EMBODIED, embodied_devices(read("embodied_devices"))),
        "pue": (PUE, pue(read("pue_wue"), clouds)),
        "water": (WATER, water(read("pue_wue"), read("grid_countries"))),
        "equivalents": (EQUIVALENTS, equivalents(read("equivalents"))),
        "time_zones": (TIME_ZONES, time_zones()),
    }
    for name, (names, rows) in tables.items():
        if not args.only or name in args.only:
            write(name, names, rows)
    if not args.only or "places" in args.only:
        for name, rows in places(countries, regions, clouds).items():
            write_file(HERE / name, PLACES, rows)


def write(name: str, names: list[str], rows: Iterable[Row]) -> None:
    """One table, its share-alike rows apart."""
    kept = list(rows)
    for path, part in (
        (HERE / f"{name}.csv", [row for row in kept if not SHARE_ALIKE.search(row["licence"])]),
        (HERE / "sharealike" / f"{name}.csv", [row for row in kept if SHARE_ALIKE.search(row["licence"])]),
    ):
        if part:
            write_file(path, names, part)


def write_file(path: Path, names: list[str], rows: list[Row]) -> None:
    """Rows in the order of their first column; one line a row, whatever a cell held."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n", restval="")
        writer.writeheader()
        for row in sorted(rows, key=lambda row: row[names[0]]):
            writer.writerow({key: " ".join(value.split()) for key, value in row.items()})
    print(f"{path.relative_to(HERE)}: {len(rows)} rows")  # noqa: T201  (a command that says what it wrote)


def plain(cell: str, digits: int = 6) -> str:
    """A number without the noise of its former life ("140.0" -> "140")."""
    return f"{float(cell):.{digits}g}" if cell else ""


# --- grids -------------------------------------------------------------------------------------------------

EMBER = {"basis": "lifecycle", "boundary": "generation", "method": "average"}
DIRECT = {"basis": "direct", "boundary": "generation", "method": "average"}
FLOW_TRACED = {"basis": "lifecycle", "boundary": "consumption", "method": "average"}
# Small grids whose figure no fuel can explain, or that are a decade old: kept, told, and passed over where another
# publisher has one.
OUTLIERS = {"TKM": "implausible", "UZB": "implausible", "ESH": "stale"}


def grid_countries(reference: list[Row]) -> list[Row]:
    """Ember's countries, the world with the spread of all countries, and Electricity Maps' countries apart."""
    result: list[Row] = []
    for row in reference:
        code = "WORLD" if row["iso3"] == "WLD" else row["iso2"]
        common = {"code": code, "name": row["name"], "country": row["iso2"], "iso3": row["iso3"]}
        if row["publisher"] == "Ember" and float(row["gCO2e_per_kWh"]) > 0:  # 0 g is a grid too small to tell
            result.append(
                common
                | EMBER
                | {
                    "gco2e_per_kwh": plain(row["gCO2e_per_kWh"]),
                    "year": row["year"],
                    "publisher": "Ember",
                    "licence": row["licence"],
                    "source": "Our World in Data, carbon intensity of electricity",
                    "url": row["url"],
                    "flags": OUTLIERS.get(row["iso3"], ""),
                }
            )
        if row["em_gCO2e_per_kWh"]:
            result.append(
                common
                | FLOW_TRACED
                | {
                    "gco2e_per_kwh": plain(row["em_gCO2e_per_kWh"]),
                    "year": row["em_year"],
                    "publisher": "Electricity Maps",
                    "licence": "ODbL-1.0",
                    "source": "co2.js, Electricity Maps yearly",
                    "url": "https://github.com/thegreenwebfoundation/co2.js/tree/main/data/output/electricity-maps",
                }
            )
    values = sorted(
        float(row["gco2e_per_kwh"])
        for row in result
        if row["publisher"] == "Ember" and row["code"] != "WORLD" and not row.get("flags")
    )
    twentieths = statistics.quantiles(values, n=20, method="inclusive")
    world = next(row for row in result if row["code"] == "WORLD")
    world |= {"low": plain(str(twentieths[0]), 3), "high": plain(str(twentieths[-1]), 3)}
    return result


def grid_regions(reference: list[Row]) -> list[Row]:
    """States, provinces and zones whose publisher, edition and basis are known."""
    result: list[Row] = []
    for row in reference:
        code, publisher = row["region_code"].removeprefix("eGRID-"), row["publisher"]
        common = {
            "code": code,
            "name": row["region_name"].removesuffix(", USA"),
            "country": row["country_iso2"],
            "gco2e_per_kwh": plain(row["gCO2e_per_kWh"]),
            "year": row["year"],
            "licence": row["licence"],
            "source": row["source"],
            "url": row["url"],
        }
        if publisher == "Electricity Maps":
            result.append(common | FLOW_TRACED | {"publisher": publisher})
        elif publisher.startswith("computed (provincial mix"):
            result.append(
                common
                | EMBER
                | {
                    "publisher": "IPCC factors x CodeCarbon mix",
                    "name": PROVINCES[code],
                    "source": "provincial shares of generation in CodeCarbon x median life-cycle factors, IPCC AR5",
                }
            )
        elif row["region_type"] == "us_state" and "REJECT" not in row["note"] and is_state_edition(row):
            result.append(
                common
                | DIRECT
                | {
                    "publisher": "US EPA eGRID",
                    "name": STATES[code][0],
                    "year": row["year"] or "2021",
                    "source": row["source"].replace("year not stated; consistent with", "edition by its values:"),
                }
            )
        elif row["region_type"] == "egrid_subregion" and row["year"] == "2022":  # 2023: three rows only, no table
            result.append(
                common
                | DIRECT
                | {
                    "code": f"EGRID-{code}",
                    "publisher": publisher,
                    "flags": "second hand, spot-checked at the EPA",
                }
            )
        # Left out: nine zones with one placeholder of 18 g, eGRID of 2016, rows without a stated origin (Russian
        # regions, Chinese grids, NERC), and national inventories of unstated basis (carbonfootprint.com).
    return result


def is_state_edition(row: Row) -> bool:
    """eGRID2021; of 2020 the two it lacks: Delaware, whose cell there is a typing error, and the capital."""
    return "eGRID2021" in row["publisher"] or (row["region_code"] in ("US-DE", "US-DC") and row["year"] == "2020")


def grid_hourly(reference: list[Row]) -> list[Row]:
    """Month by local hour of the zones that Electricity Maps measured; one row a month and statistic.

    Left out: two zones that are wholly estimated, the EIA rows (fuel factors unstated) and the ENTSO-E rows
    (read where no licence is given).
    """
    shapes: dict[tuple[str, str, str], Row] = {}
    for row in reference:
        if row["publisher"] != "Electricity Maps" or row["quality"] != "mostly_measured":
            continue
        for statistic, column in (("mean", "mean_gCO2e_per_kWh"), ("p10", "p10"), ("p90", "p90")):
            shape = shapes.setdefault(
                (row["zone"], row["month"], statistic),
                FLOW_TRACED
                | {
                    "code": row["zone"],
                    "tz": row["tz"],
                    "month": row["month"],
                    "statistic": statistic,
                    "year": row["year"],
                    "publisher": row["publisher"],
                    "licence": "ODbL-1.0",
                    "source": row["source"],
                },
            )
            shape.pop("method", None)
            shape[f"h{row['hour_local']}"] = plain(row[column], 4)
    return list(shapes.values())


def grid_direct(countries: list[Row], zones: list[Row]) -> list[Row]:
    """What leaves the chimneys beside the life cycle of the same year's mix: the places whose live source publishes the
    first of the two only."""
    common = {"year": "2024", "boundary": "consumption", "publisher": "Electricity Maps", "licence": "ODbL-1.0"}
    pairs = [
        common
        | {
            "code": row["iso2"],
            "name": row["name"],
            "direct_gco2e_per_kwh": row["em_direct_gCO2_per_kWh_calc"],
            "lifecycle_gco2e_per_kwh": row["em_lifecycle_gCO2e_per_kWh_calc"],
            "source": "mixes of 2024 x the zone's factors of either basis",
            "url": "https://github.com/thegreenwebfoundation/co2.js",
        }
        for row in countries
        if row["iso2"] in ("GB", "FR")
    ]
    return pairs + [
        common
        | {
            "code": row["region_code"],
            "name": row["region_name"],
            "direct_gco2e_per_kwh": row["direct_gCO2_per_kWh_calc"],
            "lifecycle_gco2e_per_kwh": row["prev_year_gCO2e_per_kWh"],
            "source": row["source"] + "; direct: mixes of 2024 x the zone's factors",
            "url": row["url"],
        }
        for row in zones
        if row["region_code"] in ("DK-DK1", "DK-DK2")
    ]


def cloud_regions(reference: list[Row], countries: list[Row]) -> list[Row]:
    """Where a provider's region stands, and what the provider says of its buildings.

    No intensity: the columns at hand mix bases by provider and hold market-based claims.  A region takes the figure
    of its zone or country.
    """
    iso2 = {row["iso3"]: row["iso2"] for row in countries}
    result: list[Row] = []
    for row in reference:
        provider, region = row["provider"], row["region_code"]
        if (provider, region) == ("azure", "asiapacific"):  # a geography of several regions, not a region
            continue
        country = iso2[row["country_iso3"]]
        site = SITE[provider]
        disclosed = bool(row["pue"] or row["wue_L_per_kWh"])
        result.append(
            {
                "code": f"{provider}:{region}",
                "provider": provider,
                "region": region,
                "location": row["location"],
                "country": country,
                "zone": ZONE_OF_CLOUD.get(f"{provider}:{region}", row["em_zone"] or country),
                "pue": plain(row["pue"]),
                "pue_year": row["pue_year"],
                "wue_l_per_kwh": plain(row["wue_L_per_kWh"]),
                "wue_year": row["wue_L_per_kWh_year"],
                "publisher": site[0],
                "year": max(row["pue_year"], row["wue_L_per_kWh_year"]) or READ_YEAR,
                "licence": "facts",
                "url": site[1],
                "source": "the provider's disclosure of its sites" if disclosed else "the provider's list of regions",
                "note": "design figure of a new region" if provider == "azure" and row["pue"] == "1.12" else "",
            }
        )
    return result


SITE = {
    "aws": ("Amazon", "https://aws.amazon.com/sustainability/data-centers/"),
    "azure": ("Microsoft", "https://datacenters.microsoft.com/globe/explore"),
    "gcp": ("Google", "https://www.google.com/about/datacenters/efficiency/"),
    "ovh": ("OVHcloud", "https://www.ovhcloud.com/en/about-us/global-infrastructure/"),
    "coreweave": ("CoreWeave", "https://docs.coreweave.com/"),
    "hlrs": ("HLRS", "https://www.hlrs.de/"),
    "itenos": ("I.T.E.N.O.S.", "https://www.itenos.de/"),
    "scaleway": ("Scaleway", "https://www.scaleway.com/en/environmental-leadership/"),
    "seeweb": ("Seeweb", "https://www.seeweb.it/"),
}


# --- names of places ---------------------------------------------------------------------------------------


def places(countries: list[Row], regions: list[Row], clouds: list[Row]) -> dict[str, list[Row]]:
    """Every word that means a region: one row a word and meaning; a word with two meanings has two rows."""
    permissive: dict[tuple[str, str], Row] = {}
    shared: dict[tuple[str, str], Row] = {}

    def add(words: Iterable[str], row: Row, rows: dict[tuple[str, str], Row] = permissive) -> None:
        for word in words:
            if word:
                rows.setdefault((place_key(word), row["code"]), {"key": place_key(word), **row})

    add(["WORLD", "WLD", "global", "earth"], {"code": "WORLD", "name": "World", "country": "", "grids": "WORLD"})
    known: dict[str, Row] = {}
    for row in countries:
        if row["code"] != "WORLD":
            known.setdefault(row["code"], row)
    for code, row in known.items():
        add(
            [code, row["iso3"], row["name"], *ALIASES.get(code, [])],
            {"code": code, "name": row["name"], "country": code, "grids": code},
        )
    for code, (name, iso3, grid) in ISLANDS_GRID.items():
        add([code, iso3, name], {"code": code, "name": name, "country": code, "grids": grid})
    for code, (name, zone) in STATES.items():
        grids = " ".join(dict.fromkeys([zone, code, "US"]))
        add([code, name], {"code": code, "name": name, "country": "US", "grids": grids})
    for code, name in PROVINCES.items():
        add([code, name], {"code": code, "name": name, "country": code[:2], "grids": f"{code} {code[:2]}"})
    for code, name in NORDIC_ZONES.items():
        add([code, code[3:], name], {"code": code, "name": name, "country": code[:2], "grids": f"{code} {code[:2]}"})
    for row in regions:
        code, row_country = row["code"], row["country"]
        if (place_key(code), code) in permissive:
            continue
        words = [code] if row["publisher"] == "US EPA eGRID" else [code, row["name"].split(",")[0]]
        grids = f"{code} {row_country}"
        add(
            words,
            {"code": code, "name": row["name"], "country": row_country, "grids": grids},
            shared if SHARE_ALIKE.search(row["licence"]) else permissive,
        )
    for row in clouds:
        name = f"{CODES[row['provider']]} {row['region']} ({row['location']})"
        grids = " ".join(dict.fromkeys([row["zone"], row["country"]]))
        bare = row["region"] if len(row["region"]) > 3 else ""  # "bhs" alone is the Bahamas
        add(
            [row["code"], bare],
            {"code": row["code"], "name": name, "country": row["country"], "provider": row["provider"], "grids": grids},
        )
    return {
        "places.csv": list(permissive.values()),
        "sharealike/places.csv": [row for key, row in shared.items() if key not in permissive],
    }


def time_zones() -> list[Row]:
    """The country of every name in the tz database that means one place; its own table, old names through its links."""
    root = next(Path(path) for path in zoneinfo.TZPATH if (Path(path) / "zone.tab").is_file())
    zones = {}
    for line in (root / "zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            zones[name] = country
    version = (root / "tzdata.zi").read_text(encoding="utf-8").splitlines()
    for line in version:
        if line.startswith("L "):
            _, target, name = line.split()
            # "CET" or "EST" are clocks, not places; "Japan" and "US/Pacific" are places
            if target in zones and ("/" in name or not name.isupper() or name in ("GB", "NZ", "PRC", "ROC", "ROK")):
                zones.setdefault(name, zones[target])
    release = version[0].removeprefix("# version ")
    return [
        {
            "code": name,
            "country": country,
            "publisher": "IANA tz database",
            "year": release[:4],
            "licence": "public domain",
            "source": f"zone.tab and links of {release}",
        }
        for name, country in zones.items()
    ]


# --- hardware ----------------------------------------------------------------------------------------------

CPU_LICENCES = {"AGPL-3.0 repo; facts from techpowerup.com": "facts"}
CPU_NAMES = {"Rasberry Pi 4": "Raspberry Pi 4"}
CPU_VENDORS = {"VIA": "VIA", "ZHAOXIN": "Zhaoxin", "Steam": "AMD", "Microsoft": "Microsoft", "Raspberry": "Broadcom"}
# The processor base power; collections list the maximum turbo power of this generation.
TURBO = ("Core i5-12600K", "Core i5-12600KF", "Core i7-12700K", "Core i7-12700KF", "Core i9-12900K", "Core i9-12900KF")
CPU_FIXES: dict[str, Row] = {
    f"Intel {name}": {
        "tdp_w": "125",
        "publisher": "TechPowerUp",
        "licence": "facts",
        "source": "BoaviztAPI cpu_specs.csv",
    }
    for name in TURBO
}
CPU_PUBLISHERS = ("Intel", "AMD", "TechPowerUp", "Eco2AI (collection)", "Green Algorithms", "CodeCarbon (collection)")


def cpus(reference: list[Row], accelerators: list[Row]) -> list[Row]:
    """One row a spelling; makers before collections where two spellings are one part."""
    best: dict[str, Row] = {}
    # The plain chips of Apple stand only among the accelerators, with the rated power of the whole chip
    chips = [
        dict.fromkeys(reference[0], "")
        | {
            "model": row["model"].split(" (")[0],
            "vendor": "Apple",
            "tdp_W": row["tdp_W"],
            "release_year": row["release_year"],
            "publisher": row["publisher"],
            "licence": row["licence"],
            "url": row["url"],
        }
        for row in accelerators
        if row["kind"] == "soc_gpu"
    ]
    for row in reference + chips:
        if row["publisher"].startswith("none"):  # general knowledge, unverified
            continue
        model = CPU_NAMES.get(row["model"], row["model"])
        vendor = row["vendor"] or next((v for word, v in CPU_VENDORS.items() if model.startswith(word)), "")
        key = cpu_key(model)
        if not vendor or not key:  # "4226", "ARMv8 rev 0": bare numbers name no processor
            continue
        new = {
            "key": key,
            "model": model,
            "vendor": vendor,
            "tdp_w": plain(row["tdp_W"]),
            "cores": plain(row["cores"]),
            "threads": plain(row["threads"]),
            "release_year": row["release_year"],
            "tdp_others": row["tdp_alt_W"],
            "publisher": row["publisher"].replace(" (collection)", ""),
            "year": READ_YEAR,
            "licence": CPU_LICENCES.get(row["licence"], row["licence"].split(" (")[0]),
            "source": row["url"].split("/tree/")[0].split("/blob/")[0] or row["source"],
        }
        if model in CPU_FIXES:
            new |= {"tdp_others": f"{new['tdp_w']} (maximum turbo power)"} | CPU_FIXES[model]
        old = best.get(key)
        if old is None or rank(new) < rank(old):
            best[key] = new
    return list(best.values())


def rank(row: Row) -> tuple[int, int]:
    """The maker's page first, then the fuller row."""
    order = [name.replace(" (collection)", "") for name in CPU_PUBLISHERS]
    return order.index(row["publisher"]), -sum(bool(cell) for cell in row.values())


WIKIPEDIA = {
    "publisher": "Wikipedia contributors",
    "licence": "CC-BY-SA-4.0",
    "year": "2025",
    "source": "Wikipedia, lists of graphics processing units (2025-06), as collected by voidful/gpu-info-api",
}
# What a merged row took from Wikipedia, seen by comparing with the other publisher's own table: those cells stay
# with the share-alike copy of the row.
FROM_WIKIPEDIA = {
    "Epoch AI": {"tensor_tflops"},
    "ML CO2 Impact": {"tensor_tflops", "release_year"},
}
ALSO_FROM_WIKIPEDIA = {"GeForce RTX 4070": {"tdp_w"}, "RTX 6000 Ada Generation": {"tdp_w", "memory_gb"}}
WHOLLY_FROM_WIKIPEDIA = {"GTX 750", "Tesla K20X"}
GPU_FIXES: dict[str, Row] = {
    "A100 PCIe": {"memory_gb": "80", "note": "the 80 GB board by its power and bandwidth; the 40 GB one is 250 W"},
    "A100 40GB PCIe": {"memory_gb": "40"},
    "A100 80GB PCIe": {"memory_gb": "80"},
    "GTX 750": {"memory_gb": ""},  # 24 GB there is a slip
    "Radeon Pro V620 (Navi 21)": {"tdp_w": "", "note": "rated power unverified"},
    "Radeon Pro V520 (Navi 12)": {"tdp_w": "", "note": "rated power unverified"},
    "RTX PRO 6000 Blackwell Max-Q Workstation Edition": {"form": ""},  # a desktop card of 300 W
    # Unverified but for the power mode
    "Jetson AGX Xavier": {"memory_gb": "", "fp32_tflops": "", "release_year": "", "source": "Green Algorithms v3"},
}
# Two boards under one power, and TPU boards of four chips listed as one chip
GPU_LEFT_OUT = {"A100 PCIe 40/80GB", "TPUv2 Chip", "TPUv3 Chip"}
# Rated power as the maker published it, of boards that no collection has: model, vendor, W, GB, year, page.
GPU_ADDED = (
    ("GeForce GTX 960", "NVIDIA", "120", "2", "2015", "https://www.nvidia.com/en-us/geforce/900-series/"),
    ("GeForce GTX 970", "NVIDIA", "145", "4", "2014", "https://www.nvidia.com/en-us/geforce/900-series/"),
    ("Radeon RX 9070", "AMD", "220", "16", "2025", "https://www.amd.com/en/products/graphics/desktops/radeon.html"),
    ("Radeon RX 9070 XT", "AMD", "304", "16", "2025", "https://www.amd.com/en/products/graphics/desktops/radeon.html"),
    (
        "Arc A770",
        "Intel",
        "225",
        "16",
        "2022",
        "https://www.intel.com/content/www/us/en/products/details/discrete-gpus/arc.html",
    ),
    (
        "Arc B570",
        "Intel",
        "150",
        "10",
        "2025",
        "https://www.intel.com/content/www/us/en/products/details/discrete-gpus/arc.html",
    ),
    (
        "Arc B580",
        "Intel",
        "190",
        "12",
        "2024",
        "https://www.intel.com/content/www/us/en/products/details/discrete-gpus/arc.html",
    ),
    ("Jetson Nano", "NVIDIA", "10", "4", "2019", "https://developer.nvidia.com/embedded/jetson-modules"),
    ("Jetson TX2", "NVIDIA", "15", "8", "2017", "https://developer.nvidia.com/embedded/jetson-modules"),
    ("Jetson Orin Nano", "NVIDIA", "25", "8", "2023", "https://developer.nvidia.com/embedded/jetson-modules"),
    ("Jetson AGX Orin", "NVIDIA", "60", "64", "2022", "https://developer.nvidia.com/embedded/jetson-modules"),
)
GPU_YEARS = {"Epoch AI": "2026", "Wikipedia contributors": "2025"}
BOAVIZTA = "Boavizta's bottom-up factors (die, memory, board, heat sink), computed"


def gpus(reference: list[Row]) -> list[Row]:
    """Accelerators; a merged row twice, without the cells of Wikipedia and, share-alike, with them."""
    result: list[Row] = []
    for row in reference:
        if row["model"] in GPU_LEFT_OUT or row["publisher"].startswith("none"):
            continue
        new = {
            "key": " ".join(gpu_words(row["model"])),
            "model": row["model"],
            "vendor": row["vendor"],
            "kind": row["kind"],
            "form": row["form"] or form_of(row["model"]),
            "tdp_w": plain(row["tdp_W"]),
            "idle_w": plain(row["idle_W"]),
            "idle_source": row["idle_source"],
            "memory_gb": plain(row["memory_GB"]),
            "fp32_tflops": plain(row["tflops_fp32"]),
            "tensor_tflops": plain(row["tflops_fp16_bf16_tensor"]),
            "release_year": row["release_year"],
            "publisher": row["publisher"].replace(" (collection)", ""),
            "year": GPU_YEARS.get(row["publisher"], READ_YEAR),
            "licence": row["licence"],
            "source": row["source"],
            "url": row["url"].split()[0] if row["url"] else "",
            "note": "; ".join(filter(None, [row["note"], row["tdp_conflicts"] and f"also {row['tdp_conflicts']}"])),
        }
        new |= embodied_of(row)
        if row["kind"] == "soc_gpu":  # rated power of the whole chip; the rest of the row is unverified
            new |= {"fp32_tflops": "", "note": "rated power of the whole chip, CPU included", "source": "Eco2AI"}
        if row["publisher"] == "Wikipedia contributors":
            new |= WIKIPEDIA
        new |= GPU_FIXES.get(row["model"], {})
        if "Wikipedia" in row["source"] and row["publisher"] != "Wikipedia contributors":
            result.append(new | {"licence": "CC-BY-SA-4.0", "year": "2025"})
            if row["model"] in WHOLLY_FROM_WIKIPEDIA:
                continue
            theirs = FROM_WIKIPEDIA[row["publisher"]] | ALSO_FROM_WIKIPEDIA.get(row["model"], set())
            new = new | dict.fromkeys(theirs, "") | {"source": row["source"].split(";")[0], "note": ""}
        result.append(new)
    return result + [added(*each) for each in GPU_ADDED]


def added(model: str, vendor: str, tdp_w: str, memory_gb: str, released: str, url: str) -> Row:
    """A row of the maker's own figure; of a module it is that of the highest power mode."""
    return dict.fromkeys(GPUS, "") | {
        "key": " ".join(gpu_words(model)),
        "model": model,
        "vendor": vendor,
        "kind": "gpu",
        "tdp_w": tdp_w,
        "memory_gb": memory_gb,
        "release_year": released,
        "publisher": vendor,
        "year": READ_YEAR,
        "licence": "facts",
        "source": f"{vendor}, published rated power",
        "url": url,
    }


def form_of(model: str) -> str:
    """SXM modules and PCIe boards say so in their names."""
    words = gpu_words(model)
    return "sxm" if "sxm" in words else "pcie" if {"pcie", "nvl"} & set(words) else ""


def embodied_of(row: Row) -> Row:
    """The computed figure and the vendor's, where both are known, are the two ends of a range."""
    computed, vendor = row["embodied_kgCO2e"], row["embodied_kgCO2e_vendor"]
    if computed and vendor:  # H100: NVIDIA 164, Boavizta's factors 575; the middle is their geometric mean
        middle = (float(computed) * float(vendor)) ** 0.5
        return {
            "embodied_kgco2e": plain(str(middle), 3),
            "embodied_low_kgco2e": plain(vendor),
            "embodied_high_kgco2e": plain(computed),
            "embodied_source": f"NVIDIA HGX H100 carbon footprint summary (low); {BOAVIZTA} (high)",
        }
    return {"embodied_kgco2e": plain(computed), "embodied_source": BOAVIZTA if computed else ""}


# --- embodied carbon ---------------------------------------------------------------------------------------

# Which row speaks for which chassis of chassis.csv; several rows make the range.
EMBODIED_CODES = {
    "Laptop (professional, ADEME)": "laptop",
    "Laptop (personal, ADEME)": "laptop",
    "Laptop: median of 422 vendor PCF reports": "laptop",
    "Desktop (ADEME)": "desktop",
    "Desktop: median of 256 vendor PCF reports": "desktop",
    "AWS instance platform (median of 621 types)": "server",
    "AZURE instance platform (median of 595 types)": "server",
    "GCP instance platform (median of 277 types)": "server",
    "Server (generic, ADEME)": "server",
    "Server: median of 42 vendor PCF reports (Dell)": "server",
    "Generic GPU card": "gpu",
}
FIRST = {"Laptop (professional, ADEME)", "Desktop (ADEME)", "AWS instance platform (median of 621 types)"}
GPU_SPREAD = {
    "low": "89.1",
    "high": "575",
    "note": "range: a GTX 1080 Ti to an H100 by Boavizta's factors; NVIDIA says 164 of an H100",
}
# Figures read in the code of others are facts; the code is not taken.
FACTS = {"fact": "facts", "AGPL-3.0 repo (facts)": "facts", "MPL-2.0": "facts"}
ADEME = {"publisher": "ADEME", "licence": "facts", "source": "ADEME Base Empreinte, as listed by BoaviztAPI"}


def embodied(reference: list[Row]) -> list[Row]:
    """Devices and components; `code` is the chassis a row speaks for, or the component's name.

    Of several rows of a chassis the first is the likely one.
    """
    result = []
    for row in sorted(reference, key=lambda row: row["component"] not in FIRST):
        device = row["component"]
        if device.startswith("NVIDIA ") or re.search(r"reports \((Google|Lexmark|Microsoft|HP|Seagate)\)", device):
            continue  # GPUs have their own table; makers of few or other things
        spread = row["category"] != "cloud_server"  # there the ends are the smallest and the largest type on offer
        result.append(
            {
                "code": EMBODIED_CODES.get(device, slug(device)),
                "device": device,
                "kgco2e": plain(row["kgCO2e"]),
                "low": plain(row["kgCO2e_low"]) if spread else "",
                "high": plain(row["kgCO2e_high"]) if spread else "",
                "per": row["per_unit"],
                "life_years": plain(row["lifetime_years"]),
                "boundary": row["scope"],
                "publisher": row["publisher"],
                "year": row["source_year"],
                "licence": FACTS.get(row["licence"], row["licence"]),
                "source": row["source"],
                "url": row["url"],
                "note": row["note"],
            }
            | (ADEME if row["publisher"] == "ADEME" else {})
            | (GPU_SPREAD if device == "Generic GPU card" else {})
        )
    return result


def slug(text: str) -> str:
    """A name for a row that stands for itself."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")


def embodied_devices(reference: list[Row]) -> list[Row]:
    """Makers' carbon reports, one a model: manufacture only.  Collected by Boavizta, ODbL."""
    return [
        {
            "code": slug(f"{row['manufacturer']} {row['model']}"),
            "device": f"{row['manufacturer']} {row['model']}",
            "kgco2e": plain(row["kgCO2e_manufacturing"]),
            "per": row["subcategory"].casefold(),
            "life_years": plain(row["lifetime_years"]),
            "boundary": "manufacturing share of the maker's report",
            "publisher": row["publisher"].split(" (")[0],
            "year": row["report_year"] or "2023",
            "licence": row["licence"],
            "source": "Boavizta environmental-footprint-data (2023-02)",
            "url": row["url"],
            "note": row["note"],
        }
        for row in reference
        if row["kgCO2e_manufacturing"] and float(row["kgCO2e_manufacturing"]) > 0
    ]


# --- buildings and water -----------------------------------------------------------------------------------

FLEETS = {
    "AWS global": "aws",
    "Microsoft owned fleet": "azure",
    "Google fleet": "gcp",
    "OVHcloud (Green Algorithms v3)": "ovh",
}


def pue(reference: list[Row], clouds: list[Row]) -> list[Row]:
    """The newest fleet mean of each provider with the spread of its regions, and the industry's own figures."""
    result = []
    newest: dict[str, Row] = {}
    for row in reference:
        if row["name"] in FLEETS and row["pue"]:
            code = FLEETS[row["name"]]
            if code not in newest or row["year"] > newest[code]["year"]:
                newest[code] = row
    for code, row in newest.items():
        sites = [float(site["pue"]) for site in clouds if site["provider"] == code and site["pue"]]
        named = [float(site["pue"]) for site in clouds if site["pue"]]
        cuts = statistics.quantiles(sites or named, n=20, method="inclusive")  # 5 and 95 %
        whose = "its own regions" if sites else "the regions of other providers"
        result.append(pue_row(row, code, "provider", cuts[0], cuts[-1], f"fleet mean; range: spread of {whose}"))
    for row in reference:
        if row["scope"] == "industry_average" and row["publisher"] == "Uptime Institute" and row["year"] == "2024":
            result.append(
                pue_row(
                    row,
                    "unknown",
                    "any data centre",
                    1.1,
                    1.8,
                    "survey mean; from a hyperscale site to an old server room",
                )
            )
        if row["name"].startswith("personal computer"):
            result.append(pue_row(row, "own", "no building around it", 1.0, 1.0, row["note"]))
        if row["publisher"] == "IDC":
            where = "public-cloud" if "cloud" in row["name"] else "on-premises"
            result.append(pue_row(row, where, row["name"], None, None, "estimate"))
    return result


def pue_row(row: Row, code: str, scope: str, low: float | None, high: float | None, basis: str) -> Row:
    """One row of the table of buildings."""
    return {
        "code": code,
        "scope": scope,
        "pue": plain(row["pue"]),
        "low": "" if low is None else f"{low:.3g}",
        "high": "" if high is None else f"{high:.3g}",
        "basis": basis,
        "publisher": row["publisher"],
        "year": row["year"] or READ_YEAR,
        "licence": FACTS.get(row["licence"], row["licence"]),
        "source": row["source"],
        "url": row["url"],
    }


def water(reference: list[Row], countries: list[Row]) -> list[Row]:
    """Litres consumed upstream for one kWh of a country's electricity, reservoir evaporation included.

    The range, a half to twice, is that of Macknick et al. (2012, Environ. Res. Lett. 7 045802): the published
    factors of one technology differ by two and more.
    """
    iso2 = {row["iso3"]: row["iso2"] for row in countries}
    return [
        {
            "code": iso2[row["country_iso3"]] or "WORLD",
            "name": row["name"].replace("WLD", "World"),
            "l_per_kwh": plain(row["electricity_water_intensity_L_per_kWh"], 4),
            "low": plain(str(float(row["electricity_water_intensity_L_per_kWh"]) / 2), 4),
            "high": plain(str(float(row["electricity_water_intensity_L_per_kWh"]) * 2), 4),
            "basis": "consumption, with evaporation of reservoirs",
            "publisher": row["publisher"],
            "year": row["year"],
            "licence": "CC-BY-4.0",
            "source": "WRI guidance on water embedded in purchased electricity",
            "url": row["url"],
            "note": "range: a half to twice, as published factors of one technology differ",
        }
        for row in reference
        if row["scope"] == "country_electricity"
    ]


# --- equivalents -------------------------------------------------------------------------------------------

# What a number reads like; code -> (activity in the reference, how it is told).  Energy ones need no grid,
# carbon ones no kWh.  Left out: trees (they absorb, and the figures are ten-year totals taken per year),
# homes and shares per head (a cell reads 0), flights with radiative forcing unstated, type-approval kilometres, a
# web search of 2009, coffee and beef (unverified), and EPA's second phone charge (back-calculated).
TOLD = {
    "led": ("LED bulb 9 W", "a 9 W LED bulb lit"),
    "phone": ("Smartphone charge (energy basis)", "smartphone charges"),
    "kettle": ("Kettle boil, 1 litre", "litres of water boiled"),
    "laptop": ("Laptop use", "a laptop at work (30 W)"),
    "streaming": ("Video streaming", "video streamed"),
    "car-eu": ("Passenger car, EU/UK average", "in an average European car"),
    "car-us": ("Passenger car, US gasoline average", "in an average US petrol car"),
    "train": ("Train (national rail)", "by train, one passenger"),
    "petrol": ("Gallon of gasoline burnt", "petrol burnt"),
    "laptop-made": ("Laptop manufacture (median vendor PCF)", "laptops made"),
}
ENERGY_ONLY = {"led", "phone", "kettle", "laptop", "streaming"}
LITRES_PER_GALLON = 3.785411784
DEFINITIONS = {"led": "2026", "kettle": "2026", "laptop": "2026"}


def equivalents(reference: list[Row]) -> list[Row]:
    """The comparisons that survive a check of their units, one unit a row."""
    by_name = {row["activity"]: row for row in reference}
    result = []
    for code, (name, told) in TOLD.items():
        row = by_name[name]
        result.append(
            {
                "code": code,
                "activity": told,
                "unit": row["unit"],
                "kgco2e_per_unit": "" if code in ENERGY_ONLY else plain(row["kgCO2e_per_unit"]),
                "kwh_per_unit": plain(row["kWh_per_unit"]) if code in ENERGY_ONLY else "",
                "low": "" if code == "streaming" else plain(row["low"]),  # its ends are kilograms
                "high": "" if code == "streaming" else plain(row["high"]),
                "publisher": row["publisher"].replace("arithmetic", "jupyter_carbon"),
                "year": DEFINITIONS.get(code, row["year"]),
                "licence": FACTS.get(row["licence"], row["licence"]),
                "source": row["source"],
                "url": "" if row["publisher"] == "arithmetic" else row["url"],
                "note": "" if code == "laptop" else row["note"],
            }
        )
        if row["unit"] == "US gallon":
            kg_per_l = float(row["kgCO2e_per_unit"]) / LITRES_PER_GALLON
            result[-1] |= {"unit": "litre", "kgco2e_per_unit": f"{kg_per_l:.4g}"}
    return result


if __name__ == "__main__":
    main()
