"""`%carbon calibrate ...`: words in, a sentence out."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_carbon.calibration.fit import CalibrationRefused, watts_of
from jupyter_carbon.calibration.plugs import Fetch, named
from jupyter_carbon.calibration.procedure import Calibrator, stretch_text
from jupyter_carbon.calibration.store import Calibration
from jupyter_carbon.grid.providers.http import fetch

HOW = """\
With a plug meter, two readings or more:
  %carbon calibrate rest        ten seconds of rest; then  %carbon calibrate 61.5 W  with what it showed
  %carbon calibrate load        twenty seconds of load; then  %carbon calibrate 143 W
  %carbon calibrate plug shelly 192.168.1.20       reads a plug itself, a minute; also tasmota, home-assistant
Without one, where the processor's counter can be read:
  %carbon calibrate processor   a minute of rest and load, for times when it cannot be read
  %carbon calibrate forget      back to the tables"""


def calibrate(text: str, calibrator: Calibrator, environ: Mapping[str, str], fetch: Fetch = fetch) -> str:
    """Do what the words ask for; refusals are `CalibrationRefused`, and then nothing is stored."""
    words = text.split()
    if not words:
        return f"{told(calibrator.stored)}\n\n{HOW}"
    if words == ["rest"]:
        return stretch_text(calibrator.rest())
    if words == ["load"]:
        return stretch_text(calibrator.work())
    if words == ["processor"]:
        return calibrator.processor()
    if words == ["forget"]:
        return calibrator.forget()
    if words[0] == "plug":
        return calibrator.by_plug(named(words[1:], environ), fetch)
    if words[0][0].isdigit() or words[0][0] in "+-.,":
        return calibrator.reading(watts_of(text))
    raise CalibrationRefused(f"{text!r} is no word of it\n{HOW}")


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
    return "\n".join(lines) or "Nothing is calibrated on this machine."
