"""Every state of the panel, as the events that lead to it, with hand-made numbers."""

from __future__ import annotations

import copy
import math
from typing import Any

Event = dict[str, Any]

T0_MS = 1_790_000_000_000
KERNEL = "k1"
GERMANY = {
    "gco2e_per_kwh": {"low": 330.0, "likely": 385.0, "high": 450.0},
    "region": "DE",
    "name": "Germany",
    "basis": "lifecycle",
    "method": "average",
    "status": "yearly",
    "source": "Ember 2025",
    "year": 2025,
    "start": None,
    "end": None,
    "yearly_gco2e_per_kwh": 385.0,
    "pue": 1.0,
    "pue_source": "a desk, not a data centre",
}
SOURCES = {
    "gpu": "NVML energy counter",
    "cpu": "RAPL through powercap",
    "memory": "0.392 W per GB",
    "rest": "desktop supply",
}


def power_curve(points: int = 60) -> dict[str, Any]:
    """A minute in which a training starts."""
    gpu, cpu = [], []
    for i in range(points):
        up = 1 / (1 + math.exp(-(i - 14) / 3))
        gpu.append(round(12 + 98 * up + 7 * math.sin(i / 2.3), 1))
        cpu.append(round(16 + 38 * up + 5 * math.sin(i / 1.7 + 1), 1))
    return {
        "age_s": [float(points - 1 - i) for i in range(points)],
        "power_w": {"gpu": gpu, "cpu": cpu, "memory": [14.0] * points, "rest": [22.0] * points},
    }


def interval(likely: float, spread: float = 0.18) -> dict[str, float]:
    return {"low": likely * (1 - spread), "likely": likely, "high": likely * (1 + spread)}


def cell(key: str, run: int, energy_wh: float, **more: Any) -> dict[str, Any]:
    runs = more.pop("runs", 1)
    quality = more.pop("quality", "measured")
    row = {
        "key": key,
        "cell_id": key,
        "label": None,
        "execution_count": run,
        "run": run,
        "runs": runs,
        "failed_runs": 0,
        "repeat_runs": 0,
        "repeat_gco2e": 0.0,
        "duration_s": 20.0 * runs,
        "facility_energy_kwh": interval(energy_wh / 1000),
        "operational_gco2e": interval(energy_wh * 0.385),
        "quality": quality,
        "last": {
            "duration_s": 20.0,
            "facility_energy_kwh": energy_wh / 1000 / runs,
            "operational_gco2e": energy_wh * 0.385 / runs,
            "quality": quality,
            "status": "ok",
            "source_sha1": None,
            "client": None,
        },
    }
    return {**row, **more}


def top(row: dict[str, Any]) -> dict[str, Any]:
    short = {key: row[key] for key in ("key", "cell_id", "label", "execution_count", "runs", "quality")}
    return {
        **short,
        "facility_energy_kwh": row["facility_energy_kwh"]["likely"],
        "operational_gco2e": row["operational_gco2e"]["likely"],
    }


REMEDY = """\
# As root, once.
cat > /etc/udev/rules.d/70-rapl-energy.rules <<'RULE'
SUBSYSTEM=="powercap", KERNEL=="intel-rapl*:*", ACTION=="add|change", RUN+="/bin/sh -c 'chgrp energy %p/energy_uj'"
RULE"""


CELLS = [
    cell("c-import", 1, 0.021),
    cell("c-load", 5, 1.7, runs=9, repeat_runs=8, repeat_gco2e=0.6, quality="modelled"),
    cell("c-fit", 7, 9.2),
    cell("c-plot", 8, 0.33, label="plots for the paper"),
]
NAMES = {
    "c-import": "import pandas as pd",
    "c-load": "frames = load()",
    "c-fit": "model.fit(X, y)",
    "c-plot": "plot(history)",
    "c-eval": "evaluate(model)",
}
ABOUT = {
    "flags": {
        "region-guessed": "place guessed from the time zone",
        "below-resolution": "shorter than the counter's step: modelled, with an upper bound",
    },
    "version": "0.1.0",
    "findings": [
        {"topic": "rapl", "health": "good", "text": "CPU package-0 measured, a step of 1 ms", "remedy": None},
        {"topic": "wall", "health": "note", "text": "1.18 x devices + 8.0 W for a desktop", "remedy": None},
        {"topic": "ledger", "health": "good", "text": "~/.local/share/jupyter/carbon/ledger.sqlite", "remedy": None},
    ],
}
RUNNING = {
    "cell_id": "c-eval",
    "execution_count": 9,
    "label": None,
    "started_at": T0_MS / 1000 - 41,
    "duration_s": 41.3,
    "facility_energy_kwh": 0.00116,
    "operational_gco2e": 0.4466,
    "quality": "measured",
    "client": "page",
    "others": 0,
}


def snapshot(**more: Any) -> dict[str, Any]:
    whole = {
        "v": 1,
        "session_id": "s1",
        "seq": 42,
        "sent_at": T0_MS / 1000,
        "period_s": 0.5,
        "metering": True,
        "notebook": "work/train-models.ipynb",
        "running": RUNNING,
        "ended": None,
        "totals": {
            "since": T0_MS / 1000 - 3600,
            "runs": 12,
            "cells": 4,
            "busy_s": 252.4,
            "quality": "measured",
            "facility_energy_kwh": {"low": 0.0114, "likely": 0.0121, "high": 0.0128},
            "operational_gco2e": {"low": 3.97, "likely": 4.66, "high": 5.61},
            "energy_j": 35_900.0,
            "machine_energy_j": 64_100.0,
            "idle_energy_kwh": 0.0017,
            "embodied_gco2e": 0.62,
            "water_l": 0.0353,
            "repeat_runs": 8,
            "repeat_gco2e": 0.6,
            "exact": False,
            "mixed": False,
            "settled_runs": 0,
        },
        "power_w": {"gpu": 112.0, "cpu": 54.1, "memory": 14.0, "rest": 22.0},
        "tail": power_curve(),
        "parts": [
            {"part": "gpu", "quality": "measured", "source": SOURCES["gpu"], "reason": None},
            {"part": "cpu", "quality": "measured", "source": SOURCES["cpu"], "reason": None},
            {"part": "memory", "quality": "modelled", "source": SOURCES["memory"], "reason": None},
            {"part": "rest", "quality": "assumed", "source": SOURCES["rest"], "reason": None},
        ],
        "intensity": GERMANY,
        "top": [top(row) for row in CELLS[2:0:-1]],
        "equivalents": [
            {"value": 27.0, "unit": "m", "name": "in an average European car", "source": "UK factors", "year": 2019},
            {"value": 1.0, "unit": "", "name": "smartphone charges", "source": "US EPA", "year": 2022},
        ],
        "flags": [],
    }
    return {**copy.deepcopy(whole), **more}


def totals(**more: Any) -> dict[str, Any]:
    return {**snapshot()["totals"], **more}


IDLE = snapshot(running=None, power_w={}, ended=CELLS[3], seq=43, totals=totals(runs=8))


def history(period: str = "7d", **more: Any) -> dict[str, Any]:
    grams = [4.1, 7.6, 2.2, 0.4, 0.6, 10.9, 15.2]
    bars = [
        {
            "start": f"2026-09-{15 + i:02d}",
            "runs": 9,
            "facility_energy_kwh": g / 385,
            "operational_gco2e": g,
            "here_gco2e": g * (0.7 if i > 4 else 0.2),
        }
        for i, g in enumerate(grams)
    ]
    names = ["work/train-models.ipynb", "work/explore.ipynb", "papers/figures.ipynb", None]
    rows = [
        {"notebook": n, "here": i == 0, "runs": r, "facility_energy_kwh": e / 1000, "operational_gco2e": e * 0.385}
        for i, (n, r, e) in enumerate(zip(names, [31, 20, 9, 3], [70.2, 31.0, 6.1, 0.4], strict=True))
    ]
    whole = {
        "v": 1,
        "answer": "history",
        "period": period,
        "as_of": T0_MS / 1000,
        "runs": 63,
        "notebooks": 4,
        "facility_energy_kwh": interval(0.108, 0.06),
        "operational_gco2e": interval(41.0),
        "bar": "day",
        "bars": bars,
        "rows": rows,
        "others": [],
        "month_gco2e": 41.0,
    }
    return {**whole, **more}


SLOT_S = T0_MS / 1000 // 1800 * 1800
"""The half-hour of the pictures: 14:00 to 14:30."""

BRITAIN = {
    "gco2e_per_kwh": {"low": 171.0, "likely": 207.0, "high": 262.0},
    "region": "GB",
    "name": "United Kingdom",
    "basis": "lifecycle",
    "method": "average",
    "status": "forecast",
    "source": "NESO Carbon Intensity API, CC BY 4.0",
    "year": None,
    "start": SLOT_S,
    "end": SLOT_S + 1800,
    "yearly_gco2e_per_kwh": 217.4,
    "pue": 1.0,
    "pue_source": "a desk, not a data centre",
}


def outlook(**more: Any) -> dict[str, Any]:
    """A windy night ahead."""
    grams = [round(150 + 70 * math.cos((i - 6) / 24 * math.pi) + 9 * math.sin(i / 1.5), 1) for i in range(48)]
    day = {
        "start": SLOT_S,
        "step_s": 1800.0,
        "low": [round(g / 1.22, 1) for g in grams],
        "likely": grams,
        "high": [round(g * 1.22, 1) for g in grams],
        "basis": "lifecycle",
        "method": "average",
        "status": "forecast",
        "source": "NESO Carbon Intensity API, CC BY 4.0",
        "best": {
            "start": SLOT_S + 28 * 1800,
            "end": SLOT_S + 30 * 1800,
            "now_gco2e_per_kwh": 207.0,
            "gco2e_per_kwh": 73.8,
            "saving": {"low": 0.51, "likely": 0.64, "high": 0.74},
            "worth_waiting": True,
        },
    }
    whole = {
        "v": 1,
        "answer": "outlook",
        "as_of": T0_MS / 1000,
        "now": BRITAIN,
        "day": day,
        "marginal": None,
        "asking": False,
    }
    changed = {**whole, **{key: value for key, value in more.items() if key in whole}}
    if changed["day"] is not None:
        inner = {key: value for key, value in more.items() if key in day}
        changed["day"] = {**changed["day"], **inner}
    return copy.deepcopy(changed)


def best(**more: Any) -> dict[str, Any]:
    return {**outlook()["day"]["best"], **more}


# --- events ------------------------------------------------------------------------------------------------


def focus(**more: Any) -> Event:
    subject = {
        "title": "train-models.ipynb",
        "path": "work/train-models.ipynb",
        "kernel_id": KERNEL,
        "kernel_name": "Python 3 (ipykernel)",
        "python": True,
    }
    return {"type": "subject", "subject": {**subject, **more}}


def link(to: str, problem: str | None = None) -> Event:
    event = {"type": "link", "kernel_id": KERNEL, "link": to, "now_ms": T0_MS}
    return event if problem is None else {**event, "problem": problem}


def feed(shot: dict[str, Any], at_ms: int = T0_MS) -> Event:
    return {"type": "snapshot", "kernel_id": KERNEL, "snapshot": shot, "now_ms": at_ms}


def status(*, busy: bool = False, connected: bool = True, dead: bool = False) -> Event:
    return {
        "type": "status",
        "kernel_id": KERNEL,
        "busy": busy,
        "connected": connected,
        "dead": dead,
        "now_ms": T0_MS,
    }


def cells(rows: list[dict[str, Any]] = CELLS, **about: Any) -> Event:
    return {"type": "cells", "kernel_id": KERNEL, "session_id": "s1", "cells": rows, "about": {**ABOUT, **about}}


def tick(at_ms: int) -> Event:
    return {"type": "tick", "now_ms": at_ms}


def told(**more: Any) -> Event:
    return {"type": "history", "answer": history(**more)}


def coming(answer: dict[str, Any] | None = None) -> Event:
    return {"type": "outlook", "kernel_id": KERNEL, "answer": answer or outlook(), "now_ms": T0_MS}


ADRIFT = "x" * 4 + "<b>bold</b>\"'&" + "long" * 2500
MODELLED_PARTS = [
    {
        "part": "cpu",
        "quality": "modelled",
        "source": "CPU load model, 65 W",
        "reason": "the energy counter is not readable; `jupyter carbon doctor` opens it",
    },
    {"part": "memory", "quality": "modelled", "source": SOURCES["memory"], "reason": None},
    {"part": "rest", "quality": "assumed", "source": SOURCES["rest"], "reason": None},
]
MODELLED = snapshot(
    parts=MODELLED_PARTS,
    power_w={"cpu": 31.0, "memory": 6.2, "rest": 9.0},
    tail={**power_curve(), "power_w": {k: v for k, v in power_curve()["power_w"].items() if k != "gpu"}},
    totals=totals(quality="modelled"),
    flags=["region-guessed", "below-resolution:package-0"],
)
FRESH = snapshot(
    running=None,
    seq=1,
    session_id="s1",
    power_w={},
    tail={"age_s": [], "power_w": {}},
    totals=totals(
        runs=0,
        cells=0,
        busy_s=0.0,
        quality=None,
        facility_energy_kwh={"low": 0.0, "likely": 0.0, "high": 0.0},
        operational_gco2e={"low": 0.0, "likely": 0.0, "high": 0.0},
        energy_j=0.0,
        machine_energy_j=0.0,
        idle_energy_kwh=0.0,
        embodied_gco2e=None,
        water_l=None,
        repeat_runs=0,
        repeat_gco2e=0.0,
    ),
    top=[],
    equivalents=[],
)

AN_AVERAGE_DAY = outlook(
    now=GERMANY,
    start=SLOT_S,
    likely=[
        round(375 - 75 * math.cos((i + 5) / 24 * math.pi) - 40 * math.cos((i - 10) / 12 * math.pi), 1)
        for i in range(48)
    ],
    low=[],
    high=[],
    status="yearly",
    source="Electricity Maps 2024, consumption, ODbL",
    best=best(
        start=SLOT_S + 36 * 1800,
        end=SLOT_S + 38 * 1800,
        now_gco2e_per_kwh=350.0,
        gco2e_per_kwh=294.0,
        saving={"low": 0.02, "likely": 0.16, "high": 0.29},
        worth_waiting=True,
    ),
)
for end, factor in (("low", 0.8), ("high", 1.25)):
    AN_AVERAGE_DAY["day"][end] = [round(g * factor, 1) for g in AN_AVERAGE_DAY["day"]["likely"]]
LIVE = [focus(), feed(snapshot(running=None, seq=40)), cells(), coming(AN_AVERAGE_DAY), feed(snapshot()), told()]
BRITISH = [focus(), feed({**IDLE, "intensity": BRITAIN}), cells(), told()]
MARGINAL = {
    **{key: value for key, value in BRITAIN.items() if key not in ("yearly_gco2e_per_kwh", "pue", "pue_source")},
    "gco2e_per_kwh": {"low": 330.0, "likely": 395.0, "high": 474.0},
    "region": "US-CA",
    "name": "California",
    "basis": "direct",
    "method": "marginal",
    "source": "WattTime",
}

STATES: dict[str, list[Event]] = {
    "no-notebook": [tick(T0_MS), {"type": "subject", "subject": None}, told()],
    "no-kernel": [tick(T0_MS), focus(kernel_id=None, kernel_name="no kernel")],
    "other-language": [tick(T0_MS), focus(kernel_name="R", python=False), told()],
    "skeleton": [tick(T0_MS), focus(), link("unknown")],
    "waiting": [tick(T0_MS), focus(), link("unknown"), tick(T0_MS + 1500)],
    "busy": [tick(T0_MS), focus(), status(busy=True), tick(T0_MS + 1500)],
    "off": [focus(), link("off")],
    "missing": [focus(), link("missing")],
    "starting": [focus(), link("starting")],
    "failed": [focus(), link("failed", "ImportError: cannot import name 'x'")],
    "other-version": [tick(T0_MS), focus(), {"type": "other-version", "kernel_id": KERNEL, "version": 2}],
    "fresh": [focus(), feed(FRESH), {"type": "history-asked", "asked": "now"}],
    "metering": LIVE,
    "beside": [*LIVE, feed(snapshot(seq=55, running={**RUNNING, "others": 2, "started_at": T0_MS / 1000 - 40}))],
    "idle": [focus(), feed(IDLE), cells(), told()],
    "paused": [focus(), feed({**IDLE, "metering": False}), cells(), told()],
    "reloaded": [focus(), feed(snapshot()), {"type": "history-asked", "asked": "later"}],
    "stalled": [*LIVE, tick(T0_MS + 6200)],
    "held": [focus(), feed(IDLE), cells(), told(), status(busy=True), tick(T0_MS + 6200)],
    "disconnected": [*LIVE, status(connected=False)],
    "restarted": [*LIVE, {"type": "restarted", "kernel_id": KERNEL, "now_ms": T0_MS + 1000}, link("off")],
    "dead": [*LIVE, status(dead=True)],
    "died-unmetered": [focus(), status(dead=True)],
    "modelled": [focus(), feed(MODELLED), told()],
    "near-budget": [*LIVE, {"type": "budget", "budget_gco2e": 50.0}],
    "over-budget": [*LIVE, {"type": "budget", "budget_gco2e": 30.0}],
    "within-budget": [*LIVE, {"type": "budget", "budget_gco2e": 100.0}],
    "adrift": [
        focus(title=ADRIFT, path=ADRIFT, kernel_name=ADRIFT),
        feed(snapshot(running={**RUNNING, "cell_id": None, "label": ADRIFT[:60]}, seq=50)),
        cells([cell("c-long", 1, 3.0, label=ADRIFT[:60]), *CELLS]),
        told(rows=[{**history()["rows"][0], "notebook": ADRIFT}]),
    ],
    "day-worth": [*BRITISH, coming()],
    "day-not-worth": [
        *BRITISH,
        coming(
            outlook(
                best=best(worth_waiting=False, gco2e_per_kwh=201.0, saving={"low": -0.11, "likely": 0.03, "high": 0.15})
            )
        ),
    ],
    "day-now": [*BRITISH, coming(outlook(best=best(start=T0_MS / 1000, end=T0_MS / 1000 + 3600)))],
    "day-short": [*BRITISH, coming(outlook(best=None, low=[180.0], likely=[207.0], high=[250.0]))],
    "day-usual": [
        *BRITISH,
        coming(
            outlook(now={**BRITAIN, "status": "yearly", "year": 2024}, status="yearly", source="Electricity Maps 2024")
        ),
    ],
    "day-marginal": [*BRITISH, coming(outlook(marginal=MARGINAL))],
    "day-unknown": [focus(), feed(IDLE), cells(), told(), coming(outlook(now=GERMANY, day=None))],
    "day-guessed": [
        focus(),
        feed({**IDLE, "flags": ["region-guessed"]}),
        cells(),
        coming(outlook(now=GERMANY, day=None)),
    ],
    "day-old": [*BRITISH, coming(), tick(T0_MS + 3_600_000)],
    "day-silent": [*BRITISH, {"type": "outlook-problem", "kernel_id": KERNEL, "problem": None}],
    "mixed": [focus(), feed({**IDLE, "totals": totals(mixed=True), "equivalents": []}), cells(), told()],
    "method": [
        focus(),
        feed(MODELLED),
        cells(
            CELLS,
            findings=[
                *ABOUT["findings"],
                {"topic": "rapl", "health": "problem", "text": "not readable", "remedy": REMEDY},
            ],
        ),
        {"type": "fold", "section": "method", "folded": False},
        {"type": "fold", "section": "cells", "folded": True},
    ],
}
