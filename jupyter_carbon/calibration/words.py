"""`%carbon calibrate ...`: words in, a sentence out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from jupyter_carbon.calibration.fit import CalibrationRefused, watts_of
from jupyter_carbon.calibration.plugs import PLUG_DEADLINE_S, Fetch, named
from jupyter_carbon.calibration.procedure import (
    LOAD_S,
    REST_S,
    SETTLE_S,
    Calibrator,
    gpu_text,
    stretch_text,
    watts_text,
)
from jupyter_carbon.calibration.store import Calibration
from jupyter_carbon.grid.providers.http import fetch

HOW = """\
With a plug meter that you look at:
  %carbon calibrate rest       10 s; look at the plug meanwhile, then say what it showed: %carbon calibrate 61.5 W
  %carbon calibrate load       23 s under load; then the same: %carbon calibrate 143 W
  (a laptop: with its battery full; the plug feeds the screen too)
With one on your network, a minute:
  %carbon calibrate plug shelly 192.168.1.20
  %carbon calibrate plug tasmota 192.168.1.21
  %carbon calibrate plug home-assistant http://ha.local:8123 sensor.desk_power
Without one, where devices have counters, a minute:
  %carbon calibrate devices    what each draws at rest, the processor at full load, and half a minute more the GPU's
                               curve, where this kernel has loaded torch, cupy, jax or tensorflow
Back to the tables:
  %carbon calibrate forget"""


NOW: Mapping[str, str] = {
    "rest": f"{REST_S:.0f} s of rest: look at the plug meter now.",
    "load": f"{SETTLE_S + LOAD_S:.0f} s with all CPUs at work, and the GPU where torch or its like is loaded: look at "
    "the plug meter in the second half of it.",
    "devices": "A minute of rest and load, and for a GPU half a minute more.",
    "plug": "A minute of rest, half load and full load, beside what the plug shows.",
}
"""Told before it begins: what is to be read off the plug then cannot be read off it later."""

local = partial(fetch, deadline_s=PLUG_DEADLINE_S)


def calibrate(
    text: str,
    calibrator: Calibrator,
    environ: Mapping[str, str],
    fetch: Fetch = local,
    *,
    say: Callable[[str], object] = lambda _: None,
) -> str:
    """Do what the words ask for; refusals are `CalibrationRefused`, and then nothing is stored.  What takes its time is
    told to `say` before it begins."""
    words = text.split()
    if not words:
        return f"{told(calibrator.stored)}\n\n{HOW}"
    if words[0] == "plug":
        plug = named(words[1:], environ)
        calibrator.check("plug")
        say(NOW["plug"])
        return calibrator.by_plug(plug, fetch)
    if text.strip() in NOW:
        calibrator.check(text.strip())
        say(NOW[text.strip()])
    if words == ["rest"]:
        return stretch_text(calibrator.rest())
    if words == ["load"]:
        return stretch_text(calibrator.work())
    if words == ["devices"]:
        return calibrator.devices()
    if words == ["forget"]:
        return calibrator.forget()
    if any(letter.isdigit() for letter in words[0]):
        return calibrator.reading(watts_of(text))
    raise CalibrationRefused(f"{text} is none of its words\n{HOW}")


def told(calibration: Calibration) -> str:
    """What is stored, in a line for each part."""
    lines = []
    if calibration.wall is not None:
        fit = calibration.wall
        lines.append(
            f"Calibrated on {calibration.wall_at}: wall = {fit.factor:.3f} x devices + {fit.base_w:.1f} W, off by "
            f"{fit.residual_w:.1f} W ({fit.residual:.1%})."
        )
    if calibration.cpu is not None:
        curve = calibration.cpu
        lines.append(f"Processor, {curve.at}: {curve.idle_w:.3g} W at rest, {curve.full_w:.3g} W at full load.")
    for card in calibration.gpus.values():
        lines.append(f"GPU, {card.at}: {gpu_text(card)}.")
    if calibration.idle_w:
        lines.append(f"At rest, {calibration.idle_at}: {watts_text(calibration.idle_w)}.")
    return "\n".join(lines) or "Nothing is calibrated on this machine."
