"""`%carbon` and its words; `%%carbon` is here only for its help, since a transformer strips it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_carbon.estimate.result import Estimate
    from jupyter_carbon.notebook.hooks import Hooks


class Said:
    """A text that shows itself as it is, as the value of a line."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class Held:
    """An estimate and what it makes of a budget."""

    def __init__(self, estimate: Estimate, verdict: str) -> None:
        self.estimate, self.verdict = estimate, verdict

    def __repr__(self) -> str:
        return f"{self.verdict}\n{self.estimate}"

    def _repr_html_(self) -> str:
        return f"<p><b>{self.verdict}</b></p>{self.estimate._repr_html_()}"


class CarbonMagics:
    """The words behind `%carbon`.

    Not one of IPython's own `Magics`, whose class and instance take half a millisecond of every load to make.
    """

    def __init__(self, shell: InteractiveShell, hooks: Hooks) -> None:
        self.shell, self.hooks = shell, hooks
        self._words: dict[str, Callable[[], object]] = {
            "": self._summary,
            "on": self._on,
            "off": self._off,
            "history": self._history,
            "live": self._live,
        }
        self._phrases: dict[str, Callable[[str], object]] = {
            "doctor": self._doctor,
            "calibrate": self._calibrate,
            "when": self._when,
            "estimate": self._estimate,
            "plan": self._plan,
        }

    @classmethod
    def of(cls, shell: InteractiveShell) -> CarbonMagics | None:
        """Those of this shell, where they are registered."""
        owner = getattr(shell.magics_manager.magics["line"].get("carbon"), "__self__", None)
        return owner if isinstance(owner, cls) else None

    def register(self) -> None:
        """From now on there is a `%carbon`."""
        for kind in ("line", "cell"):
            self.shell.magics_manager.magics[kind]["carbon"] = self.carbon

    def unregister(self) -> None:
        """From now on there is none."""
        for kind in ("line", "cell"):
            self.shell.magics_manager.magics[kind].pop("carbon", None)

    def carbon(self, line: str, cell: str | None = None) -> Any:
        """Energy and carbon of your cells.

        %carbon            this session so far
        %carbon off | on   stop, and start again, metering every cell
        %carbon history    every cell run in the ledger, as a DataFrame
        %carbon doctor     what is measured, what is not, and what to do about it; with `--test` also ten seconds of
                           a known load: do the numbers follow?
        %carbon calibrate  what is calibrated, and how to calibrate with a plug meter, or without one
        %carbon when 3h [--within 48h] [--interruptible] [--region R]   the greenest start of a job of that length
        %carbon estimate --gpu H100 --n-gpu 8 --hours 72 --workload training --region FR [--budget 5kg]
                           what a run would cost, with its range and every assumption
        %carbon plan X     many runs at once: X is a DataFrame, a dictionary of lists, or a CSV or JSON file
        %carbon live       the panel under this cell, where the notebook has none

        %%carbon [label] [--region R] [--json] [--estimate]   name a cell, and see its footprint under it; with
                           --estimate also what it should cost, before it runs
        """
        word, _, rest = line.strip().partition(" ")
        if word in self._phrases:
            return self._phrase(word, rest)
        if rest or word not in self._words:
            import difflib  # noqa: PLC0415  (a misspelt word is rare)

            words = [*(w for w in self._words if w), *self._phrases]
            near = difflib.get_close_matches(word, words, 1)
            known = ", ".join(words)
            raise UsageError(
                f"%carbon {word}: " + (f"did you mean {near[0]}?" if near else f"one of {known}, or nothing")
            )
        return self._words[word]()

    # What a word needs is imported when it is said: the extension's load has a budget (benchmarks/load.py).

    def _history(self) -> object:
        from jupyter_carbon.api import history  # noqa: PLC0415

        return history()

    def _phrase(self, word: str, text: str) -> object:
        from jupyter_carbon.model import CarbonError  # noqa: PLC0415  (long imported)

        try:
            return self._phrases[word](text)
        except (ValueError, CarbonError) as err:
            raise UsageError(f"%carbon {word}: {err}") from err

    def _when(self, text: str) -> object:
        from jupyter_carbon.api import best_start  # noqa: PLC0415
        from jupyter_carbon.estimate.arguments import Words  # noqa: PLC0415

        words = Words("%carbon when")
        words.add_argument("hours")
        words.add_argument("--within", default="48h")
        words.add_argument("--interruptible", action="store_true")
        words.add_argument("--region", action="append")
        asked = words.parse(text)
        return best_start(asked.hours, asked.region, asked.within, asked.interruptible)

    def _estimate(self, text: str) -> object:
        from jupyter_carbon.estimate.arguments import Budget, Words, add_estimate, asked_of  # noqa: PLC0415
        from jupyter_carbon.estimate.own import estimate_here  # noqa: PLC0415

        words = Words("%carbon estimate")
        add_estimate(words)
        asked = words.parse(text)
        budget = None if asked.budget is None else Budget.of(asked.budget)
        one = estimate_here(**asked_of(asked))
        return one if budget is None else Held(one, budget.verdict(one))

    def _plan(self, text: str) -> object:
        from pathlib import Path  # noqa: PLC0415

        from jupyter_carbon.estimate.arguments import Words, scenarios_in  # noqa: PLC0415
        from jupyter_carbon.estimate.own import plan  # noqa: PLC0415

        words = Words("%carbon plan")
        words.add_argument("what", metavar="NAME_OR_FILE")
        what = words.parse(text).what
        names: dict[str, Any] = self.shell.user_ns
        if what in names:
            return plan(names[what])
        if not Path(what).exists():
            raise ValueError(f"{what} is neither a name in this notebook nor a file")
        return plan(scenarios_in(Path(what)))

    def _summary(self) -> object:
        from jupyter_carbon.report.session_text import SessionText  # noqa: PLC0415

        account = self.hooks.session.account()
        return SessionText(account.totals, account.records, self.hooks.session.intensity())

    def _live(self) -> object:
        from jupyter_carbon.notebook.widget import live  # noqa: PLC0415

        return live(self.hooks.connection) or Said(
            "The live view needs a notebook's kernel and anywidget: %pip install 'jupyter_carbon[widget]'"
        )

    def _on(self) -> Said:
        self.hooks.session.settings.metering = True
        return Said("Every cell is metered from the next one on.")

    def _off(self) -> Said:
        self.hooks.session.settings.metering = False
        return Said("Cells are not metered any more; %carbon on starts again.")

    def _doctor(self, text: str) -> Said:
        from jupyter_carbon.report.doctor import findings_text  # noqa: PLC0415

        if text.strip() not in ("", "--test"):
            raise ValueError(f"{text}: --test, or nothing")
        session = self.hooks.session
        findings = session.upkeep.findings()
        if text.strip():
            findings += session.upkeep.self_test()
        return Said(findings_text(findings))

    def _calibrate(self, text: str) -> Said:
        from jupyter_carbon.calibration.words import calibrate  # noqa: PLC0415

        session = self.hooks.session
        return Said(calibrate(text, session.upkeep.calibrator, os.environ, say=print))
