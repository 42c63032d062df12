"""Where this machine takes its electricity: what a person named, what the machine itself knows, or the world.

Nothing here asks the network, and no place is guessed from an IP address.  A name is one line of the table of
places; a cloud instance is known by files that its own firmware and first boot left readable for everybody.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from jupyter_carbon import tables
from jupyter_carbon.model import UnknownRegion
from jupyter_carbon.value import replace, value

How = Literal["given", "environment", "cloud", "time zone", "default"]
Provider = Literal["aws", "gcp", "azure"]


@value
class Region:
    """A place with a grid.  `how` is how we know that the machine stands there.

    `grids` are the codes under which its electricity is looked up, best first: the balancing area of a state, then
    the state, then the country.  `provider` is the owner of the building, where it is a known cloud.
    """

    code: str
    name: str
    country_iso2: str | None
    how: How
    provider: str | None
    grids: tuple[str, ...]


def resolve(text: str, *, how: How = "given", data: Path | None = None) -> Region:
    """The region of that name: a code (``FR``, ``FRA``, ``US-CA``, ``DK-DK1``, ``aws:eu-west-3``), a country, a state.

    Raises `UnknownRegion` for a word that is no region, or more than one, and says which were near.
    """
    found = tables.lookup("places", place_key(text), data=data)
    if len(found) == 1:
        return _region(found[0], how)
    raise UnknownRegion(_why_not(text, found, data))


def guess(root: Path = Path("/"), environ: Mapping[str, str] = os.environ, *, data: Path | None = None) -> Region:
    """The region as this machine knows it: a cloud instance's own files, else the time zone, else the world.

    A machine set to UTC has told nothing.
    """
    provider = _provider(root, environ)
    if provider:
        for code in _cloud_regions(provider, root, environ):
            found = tables.lookup("places", f"{provider}:{code}", data=data)
            if found:
                return _region(found[0], "cloud")
    zone = _time_zone(root, environ)
    listed = tables.lookup("time_zones", zone, data=data) if zone else []
    found = tables.lookup("places", place_key(listed[0]["country"]), data=data) if listed else []
    if len(found) == 1:
        return replace(_region(found[0], "time zone"), provider=provider)
    return Region("WORLD", "World", None, "default", provider, ("WORLD",))


def place_key(text: str) -> str:
    """One spelling for all: no case, no accents, one hyphen for whatever lies between words.

    >>> place_key("Côte d'Ivoire"), place_key("us_CA"), place_key("AWS:eu-west-3")
    ('cote-d-ivoire', 'us-ca', 'aws:eu-west-3')
    """
    text = text.casefold()
    if not text.isascii():
        import unicodedata  # noqa: PLC0415  (few names have accents)

        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(char for char in decomposed if not unicodedata.combining(char))
    # Without a pattern, whose compiling would take longer than all else that finds a place at load.
    return "-".join("".join(char if char.isalnum() or char == ":" else " " for char in text).split())


def _region(row: tables.Row, how: How) -> Region:
    return Region(
        code=row["code"],
        name=row["name"],
        country_iso2=row["country"] or None,
        how=how,
        provider=row["provider"] or None,
        grids=tuple(row["grids"].split()),
    )


def _why_not(text: str, found: list[tables.Row], data: Path | None) -> str:
    """The sentence that helps: which ones it could be, or what is near."""
    if found:
        meanings = " or ".join(f"{row['code']} ({row['name']})" for row in found)
        return f"{text!r} is more than one region: {meanings}; give the code"
    for separator in (r"\s*[,;/&+|]\s*|\s+(?:and|or)\s+", r"\s+"):
        parts = [part for part in re.split(separator, text.strip()) if part]
        if len(parts) > 1 and all(tables.lookup("places", place_key(part), data=data) for part in parts):
            return f"{text!r} is {len(parts)} regions ({', '.join(parts)}); give one"
    names = {name for row in tables.rows("places", data=data) for name in (row["code"], row["name"])}
    similar = tables.near(text, sorted(names))
    hint = f"; perhaps {', '.join(similar)}" if similar else ""
    return f"unknown region {text!r}{hint}. Codes are like FR, US-CA, CA-QC, DK-DK1, aws:eu-west-3 or WORLD"


# --- what a machine knows of itself ------------------------------------------------------------------------

# What the firmware says of the machine; world-readable but for serial numbers.  Some containers keep only one of them.
DMI = ("sys/class/dmi/id", "sys/devices/virtual/dmi/id")
AZURE_CHASSIS = "7783-7084-3265-9085-8269-3286-77"  # the asset tag of every Azure guest, as cloud-init checks it
INSTANCE_DATA = "run/cloud-init/instance-data.json"  # world-readable, with secrets blacked out: cloud-init's manual
CLOUD_NAMES: Mapping[str, Provider] = {"aws": "aws", "gce": "gcp", "azure": "azure"}
# Set by the services themselves inside what they run, where no firmware is in sight.
MARKERS: Mapping[str, Provider] = {
    "AWS_EXECUTION_ENV": "aws",
    "ECS_CONTAINER_METADATA_URI_V4": "aws",
    "COLAB_RELEASE_TAG": "gcp",
    "K_SERVICE": "gcp",
    "AZUREML_RUN_ID": "azure",
}


def _provider(root: Path, environ: Mapping[str, str]) -> Provider | None:
    """Whose guest this machine is.  A laptop with a cloud's settings in its environment is nobody's."""
    vendor = _firmware(root, "sys_vendor")
    if vendor == "Amazon EC2" or (vendor == "Xen" and _firmware(root, "bios_version").endswith("amazon")):
        return "aws"
    if vendor == "Google" and _firmware(root, "product_name") == "Google Compute Engine":
        return "gcp"  # a Chromebook is also made by Google
    if vendor == "Microsoft Corporation" and _firmware(root, "chassis_asset_tag") == AZURE_CHASSIS:
        return "azure"  # as a Surface is by Microsoft
    cloud = CLOUD_NAMES.get(_instance_data(root).get("cloud_name", ""))
    return cloud or next((provider for name, provider in MARKERS.items() if environ.get(name)), None)


def _firmware(root: Path, name: str) -> str:
    return next((text for folder in DMI if (text := _read(f"{root}/{folder}/{name}"))), "")


def _cloud_regions(provider: Provider, root: Path, environ: Mapping[str, str]) -> list[str]:
    """The codes that the instance gives for its own region, the surest first."""
    codes = [_instance_data(root).get("region", "")]
    names = _read(f"{root}/etc/resolv.conf") + " " + _read(f"{root}/etc/hostname")
    if provider == "aws":  # a private zone's default domain: eu-west-3.compute.internal, and in the oldest region
        codes += re.findall(r"\b([a-z]{2}(?:-[a-z]+)+-\d)\.compute\.internal\b", names)
        codes += ["us-east-1"] * bool(re.search(r"(?<![\w.])(?:[\w-]+\.)?ec2\.internal\b", names))
        codes += [environ.get("AWS_REGION", ""), environ.get("AWS_DEFAULT_REGION", "")]
    if provider == "gcp":  # zonal names: europe-west1-b.c.project.internal
        codes += re.findall(r"\b([a-z]+-[a-z]+\d+)-[a-z]\.c\.[\w.-]+\.internal\b", names)
    return [code.casefold() for code in codes if code]


def _instance_data(root: Path) -> dict[str, str]:
    """cloud-init's standard keys, those that are words."""
    try:
        content = json.loads(_read(f"{root}/{INSTANCE_DATA}") or "{}")
    except ValueError:
        return {}
    standard = content.get("v1") if isinstance(content, dict) else None
    if not isinstance(standard, dict):
        return {}
    return {key: value for key, value in standard.items() if isinstance(value, str)}


def _time_zone(root: Path, environ: Mapping[str, str]) -> str | None:
    """The name of the machine's time zone ("Europe/Paris"), if it has one that is a place's."""
    named = environ.get("TZ", "").lstrip(":")
    for name in (named, _read(f"{root}/etc/timezone"), _target(f"{root}/etc/localtime")):
        name = name.split("zoneinfo/")[-1]
        if name and not name.startswith(("/", "Etc/")) and name not in ("UTC", "UCT", "GMT", "Zulu", "Universal"):
            return name
        if name:  # UTC, said first, is what the machine was told to keep
            return None
    return None


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _read(path: str) -> str:
    """A small file's text; nothing where it is not ours to read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""
