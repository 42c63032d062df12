"""`%carbon` and its words; `%%carbon` is here only for its help, since a transformer strips it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_carbon.notebook.hooks import Hooks


class Said:
    """A text that shows itself as it is, as the value of a line."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


@magics_class
class CarbonMagics(Magics):
    """The words behind `%carbon`."""

    def __init__(self, shell: InteractiveShell, hooks: Hooks) -> None:
        super().__init__(shell)
        self.hooks = hooks
        self._words: dict[str, Callable[[], object]] = {
            "": self._summary,
            "on": self._on,
            "off": self._off,
            "history": self._history,
            "doctor": self._doctor,
            "live": self._live,
        }

    @line_cell_magic
    def carbon(self, line: str, cell: str | None = None) -> Any:
        """Energy and carbon of your cells.

        %carbon            this session so far
        %carbon off | on   stop, and start again, metering every cell
        %carbon history    every cell run in the ledger, as a DataFrame
        %carbon doctor     what is measured, what is not, and what to do about it
        %carbon when 3h [--within 48h] [--interruptible] [--region R]   the greenest start of a job of that length
        %carbon live       the panel under this cell, where the notebook has none

        %%carbon [label] [--region R] [--json]   name a cell, and see its footprint under it
        """
        word, _, rest = line.strip().partition(" ")
        if word == "when":
            return self._when(rest)
        word = line.strip()
        if word not in self._words:
            import difflib  # noqa: PLC0415  (a misspelt word is rare)

            words = [*(w for w in self._words if w), "when"]
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

    def _when(self, text: str) -> object:
        import argparse  # noqa: PLC0415

        from jupyter_carbon.api import best_start  # noqa: PLC0415
        from jupyter_carbon.model import CarbonError  # noqa: PLC0415

        words = argparse.ArgumentParser("%carbon when", add_help=False, allow_abbrev=False, exit_on_error=False)
        words.add_argument("hours")
        words.add_argument("--within", default="48h")
        words.add_argument("--interruptible", action="store_true")
        words.add_argument("--region", action="append")
        try:
            asked, unknown = words.parse_known_args(text.split())
            if unknown:
                raise UsageError(f"%carbon when: {unknown[0]} is not known; 3h [--within 48h] [--interruptible]")
            return best_start(asked.hours, asked.region, asked.within, asked.interruptible)
        except (argparse.ArgumentError, ValueError, CarbonError) as err:
            raise UsageError(f"%carbon when: {err}") from err

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

    def _doctor(self) -> Said:
        from jupyter_carbon.report.doctor import findings_text  # noqa: PLC0415

        return Said(findings_text(self.hooks.session.findings()))
