"""The families of browsers, operating systems and devices in the reports, by the seeds of dbt_project (spec §4.8, §4.9)."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import ua_parser
from tests.oracle.rules import Rules

_SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"


class Families(NamedTuple):
    """What the reports show of a user agent."""

    browser: str
    browser_version: str
    operating_system: str
    operating_system_version: str
    device: str
    is_mobile: bool


@cache
def families(user_agent: str, rules: Rules) -> Families:
    """Return the families of a user agent: Unknown where it says nothing, Others where no seed knows what it says."""
    is_proxy = any(row["marker"] in user_agent for row in _seed("image_proxies"))
    parsed = ua_parser.parse("" if is_proxy and rules.image_proxies_say_nothing else user_agent)
    browsers = {row["browser"]: row["family"] for row in _seed("browser_families")}
    systems = {row["operating_system"]: row for row in _seed("operating_system_families")}
    devices = {row["device"]: row for row in _seed("device_families")}
    browser, system, device = parsed.user_agent, parsed.os, parsed.device
    said_device = (systems[system.family]["device"] if system and system.family in systems else "") or (
        device.family if device else ""
    )
    known_device = devices.get(said_device)
    return Families(
        browsers.get(browser.family, "Others") if browser else "Unknown",
        (browser.major or "") if browser and browser.family in browsers else "",
        (systems[system.family]["family"] if system.family in systems else "Others") if system else "Unknown",
        (system.major or "") if system and system.family in systems else "",
        known_device["family"] if known_device else ("Others" if said_device or system else "Unknown"),
        bool(known_device and known_device["is_mobile"] == "true"),
    )


@cache
def _seed(name: str) -> list[dict[str, str]]:
    with (_SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
